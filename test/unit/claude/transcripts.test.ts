import { testRecordings } from "../../support/recorded-cases.ts";
import { CaseMeta, replayCase } from "./replay-case.ts";

testRecordings({ name: "claude", meta: CaseMeta, replay: replayCase }, { atLeast: 69 });
