/** What people with curl do to a running session: answer, prompt, steer, interrupt, context, mention, withdraw. */
import type { FastifyInstance } from "fastify";
import {
  ContextRequest,
  type InputAnswered,
  InputAnswerRequest,
  MentionRequest,
  type PromptAccepted,
  PromptRequest,
  SteerRequest,
} from "../protocol/http.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { bodyOf } from "./body.ts";
import type { Idempotency } from "./idempotency.ts";
import { recallTurn, type TurnIntent } from "./recall.ts";

interface ById {
  Params: { id: string };
}

export function turnRoutes(
  app: FastifyInstance,
  { supervisor, idempotency }: { supervisor: Supervisor; idempotency: Idempotency },
): void {
  for (const verb of ["prompt", "steer"] as const) {
    app.post<ById>(`/sessions/:id/${verb}`, async (request, reply) => {
      const act = `take the ${verb}`;
      const { text, images } =
        verb === "prompt"
          ? bodyOf(request, PromptRequest, act)
          : { ...bodyOf(request, SteerRequest, act), images: undefined };
      // One that is gone is found missing behind the key: its first answer may still be known.
      const session = (await supervisor.find(request.params.id))?.session;
      const { status, body } = await idempotency.once<TurnIntent>(request, {
        intent: { session_id: session?.id ?? request.params.id, log_end: session?.end ?? 0 },
        act: async (_intent, mark) => {
          const conversation = await supervisor.conversationWith(request.params.id);
          const { turnId, position } = await (verb === "prompt"
            ? conversation.prompt(text, { images, request: mark })
            : conversation.steer(text, { request: mark }));
          const accepted: PromptAccepted = { session_id: conversation.session.id, turn_id: turnId, position };
          return { status: 202, body: accepted };
        },
        recall: ({ intent, mark }) => recallTurn({ supervisor, kind: verb, intent, mark }),
      });
      return reply.code(status).send(body);
    });
  }

  app.delete<{ Params: { id: string; turn: string } }>("/sessions/:id/prompts/:turn", async (request) => {
    const conversation = await supervisor.conversationWith(request.params.id);
    await conversation.withdraw(request.params.turn);
    return { turn_id: request.params.turn, status: "withdrawn" };
  });

  app.put<{ Params: { id: string; input: string } }>("/sessions/:id/inputs/:input", async (request) => {
    const answer = InputAnswerRequest.parse(request.body);
    const { id, input } = request.params;
    const sessionId = await supervisor.respond(id, input, answer);
    const answered: InputAnswered = { session_id: sessionId, request_id: input, decision: answer.decision };
    return answered;
  });

  app.post<ById>("/sessions/:id/interrupt", async (request, reply) => {
    const conversation = await supervisor.conversationWith(request.params.id);
    await conversation.interrupt();
    return reply.code(202).send({ session_id: conversation.session.id });
  });

  app.post<ById>("/sessions/:id/context", async (request, reply) => {
    const item = bodyOf(request, ContextRequest, "add context");
    const conversation = await supervisor.conversationWith(request.params.id);
    await conversation.context(item);
    return reply.code(202).send({ session_id: conversation.session.id });
  });

  app.post<ById>("/sessions/:id/mention", async (request, reply) => {
    const item = bodyOf(request, MentionRequest, "mention a file");
    const conversation = await supervisor.conversationWith(request.params.id);
    await conversation.mention(item);
    return reply.code(202).send({ session_id: conversation.session.id });
  });
}
