import { acpTalks } from "./acp-talks.ts";

acpTalks("qwen");
