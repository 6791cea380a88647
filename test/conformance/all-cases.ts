/** The rows of the table, in their order. */
import type { Case } from "./case.ts";
import { accidentCases } from "./cases/accidents.ts";
import { contextCases } from "./cases/context.ts";
import { conversationCases } from "./cases/conversations.ts";
import { failureCases } from "./cases/failures.ts";
import { questionCases } from "./cases/questions.ts";
import { steeringCases } from "./cases/steering.ts";
import { toolServerCases } from "./cases/tool-servers.ts";
import { turnCases } from "./cases/turns.ts";

export const allCases: readonly Case[] = [
  ...turnCases,
  ...steeringCases,
  ...questionCases,
  ...contextCases,
  ...toolServerCases,
  ...conversationCases,
  ...failureCases,
  ...accidentCases,
];
