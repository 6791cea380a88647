/** Which model service a session talks to, from the model asked for and from the keys at hand. Pure. */
import type { Failure } from "../failure.ts";

type Environment = Readonly<Record<string, string>>;

export interface ModelId {
  providerID: string;
  modelID: string;
}

/** Variables in which OpenCode itself looks for keys, by the service they are for. */
const serviceOfKey: Readonly<Record<string, string>> = {
  ANTHROPIC_API_KEY: "anthropic",
  OPENAI_API_KEY: "openai",
  OPENROUTER_API_KEY: "openrouter",
  GEMINI_API_KEY: "google",
  GOOGLE_GENERATIVE_AI_API_KEY: "google",
  GROQ_API_KEY: "groq",
  MISTRAL_API_KEY: "mistral",
  XAI_API_KEY: "xai",
  DEEPSEEK_API_KEY: "deepseek",
  OPENCODE_API_KEY: "opencode",
};

/** The service when nothing names one. */
const fallback = "anthropic";

/** `service/model`, or a model of the service that there is a login or a key for. */
export function modelIdOf(model: string, env: Environment, service = serviceAtHand(env)): ModelId {
  const slash = model.indexOf("/");
  if (slash > 0) return { providerID: model.slice(0, slash), modelID: model.slice(slash + 1) };
  return { providerID: service, modelID: model };
}

export function modelName({ providerID, modelID }: ModelId): string {
  return `${providerID}/${modelID}`;
}

export function unknownModel(model: ModelId): Failure {
  const message = `OpenCode knows no model ${JSON.stringify(modelName(model))}; \`opencode models\` lists those it knows`;
  return { message, category: "model_not_found" };
}

export function serviceAtHand(env: Environment): string {
  return Object.entries(serviceOfKey).find(([name]) => env[name])?.[1] ?? fallback;
}

const inCatalogue: ReadonlySet<string> = new Set(Object.values(serviceOfKey));

/** Options of a service in the configuration. One that is not in the catalogue is taken to speak OpenAI's language. */
export function serviceEntry(service: string, given: { url?: string; key?: string; models: readonly string[] }) {
  return {
    ...(inCatalogue.has(service) ? {} : { npm: "@ai-sdk/openai-compatible" }),
    options: {
      ...(given.url === undefined ? {} : { baseURL: serviceUrl(service, given.url) }),
      ...(given.key === undefined ? {} : { apiKey: given.key }),
    },
    // A model that the catalogue does not know would be refused before the service was asked.
    models: Object.fromEntries(given.models.map((model) => [model, {}])),
  };
}

/** Anthropic's own variable has no version in its path, and the library that OpenCode uses wants one. */
function serviceUrl(service: string, url: string): string {
  const plain = url.replace(/\/+$/, "");
  return service === "anthropic" && !/\/v\d+$/.test(plain) ? `${plain}/v1` : plain;
}
