/** Which variables a request may set for its agent, whatever the runtime. Pure. */
import { AgentdError } from "../protocol/error.ts";

/** Requests may set these although they look like ones that change how an agent or a program runs. */
const permitted = new Set([
  "CODEX_API_KEY",
  "CLAUDE_CODE_OAUTH_TOKEN",
  "CLAUDE_CODE_MAX_RETRIES",
  "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
  "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS",
  "NODE_ENV",
  "NODE_NO_WARNINGS",
  "NODE_DISABLE_COLORS",
  "PYTHONUNBUFFERED",
  "PYTHONDONTWRITEBYTECODE",
  "PYTHONHASHSEED",
  "PYTHONIOENCODING",
  "PYTHONUTF8",
]);

/** Keys that change how programs load, what they run, where they keep their things or where they send keys. */
const reserved: readonly RegExp[] = [
  // The shell and what it starts with.
  /^PATH$/i,
  /^(HOME|USER|LOGNAME|SHELL|TMPDIR|ZDOTDIR|IFS|ENV|SHELLOPTS|BASHOPTS|PROMPT_COMMAND|CDPATH|FPATH|PS4|INPUTRC|HISTFILE)$/,
  /^BASH_/,
  // Loaders and the C library.
  /^(LD|DYLD|GLIBC|MALLOC)_/,
  /^(GCONV_PATH|LOCPATH|NLSPATH|HOSTALIASES|LOCALDOMAIN|RES_OPTIONS|TZDIR|TERMCAP|TERMINFO|TERMINFO_DIRS)$/,
  // Languages and their runtimes.
  /^(BUN|NODE|DENO|ELECTRON|DOTNET|CORECLR|COR|COMPlus)_/,
  /^(PYTHON|PERL5|RUBY|LUA_)/,
  /^(PERLLIB|GEM_HOME|GEM_PATH|BUNDLE_GEMFILE|CLASSPATH|JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|_JAVA_OPTIONS|MAVEN_OPTS|GRADLE_OPTS)$/,
  /^(PHPRC|PHP_INI_SCAN_DIR|TCLLIBPATH|R_PROFILE|R_ENVIRON|JULIA_LOAD_PATH|GOROOT|GOFLAGS|GOPROXY|MAKEFLAGS)$/,
  /^(RUSTC|RUSTC_WRAPPER|RUSTC_WORKSPACE_WRAPPER|RUSTFLAGS|CARGO_HOME|CARGO_REGISTRIES_.*)$/,
  /^(npm_config|yarn|pnpm|pip|uv)_/i,
  // Programs that other programs start.
  /^(EDITOR|VISUAL|PAGER|MANPAGER|BROWSER|LESSOPEN|LESSCLOSE|SSH_ASKPASS|SUDO_ASKPASS|SUDO_EDITOR)$/,
  /^(SVN_SSH|RSYNC_RSH|TAR_OPTIONS|VIMINIT|GVIMINIT|EXINIT|MYVIMRC)$/,
  /^GIT_/,
  // Files of settings and logins, by which programs run helpers.
  /^(KUBECONFIG|DOCKER_HOST|DOCKER_CONFIG|GNUPGHOME|SSH_AUTH_SOCK|NETRC|CURL_HOME|WGETRC)$/,
  /^(RIPGREP_CONFIG_PATH|HGRCPATH|PSQLRC|GH_CONFIG_DIR|GOOGLE_APPLICATION_CREDENTIALS)$/,
  /^GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES$/,
  /^AWS_(CONFIG_FILE|SHARED_CREDENTIALS_FILE|CA_BUNDLE|ENDPOINT_URL.*)$/,
  /^XDG_/,
  // Whom programs trust and where they send things.
  /^(SSL_CERT_FILE|SSL_CERT_DIR|SSLKEYLOGFILE|OPENSSL_CONF|OPENSSL_MODULES|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE)$/,
  /^(https?|all|no|ftp)_proxy$/i,
  /^(GLOBAL_AGENT_.*|GH_HOST|OLLAMA_HOST)$/,
  /_(BASE_URL|API_BASE|API_HOST|API_URL|ENDPOINT)$/,
  /^ANTHROPIC_UNIX_SOCKET$/,
  /^OTEL_/,
  // The agents' own, and ours.
  /^(AGENTRUNTIME|CLAUDE|CODEX|OPENCODE|QWEN)_/,
  /^(CLAUDECODE|IS_SANDBOX)$/,
];

/** Refuses keys that are malformed or reserved. Throws `env_key_reserved` naming the key. */
export function checkRequestEnv(env: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(env)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) {
      throw new AgentdError(
        "env_key_reserved",
        `Cannot set env key ${JSON.stringify(key)}: a key is letters, digits and underscores, and does not start with a digit`,
      );
    }
    if (permitted.has(key)) continue;
    if (reserved.some((pattern) => pattern.test(key))) {
      throw new AgentdError(
        "env_key_reserved",
        `Cannot set env key "${key}": it is reserved, because it changes how programs load, what they run or where they send keys. Set it in the configuration, under agents.NAME.env`,
      );
    }
  }
}
