/** OpenCode goes through the whole conformance suite, and Qwen through acp-qwen.long.test.ts. */
import { acpTalks } from "./acp-talks.ts";

acpTalks("claude-acp");
