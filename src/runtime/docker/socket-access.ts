/** Why this user may not open the engine's socket, and what would change that: it depends on whose the socket is. */
import { readFileSync, statSync } from "node:fs";
import { userInfo } from "node:os";

/** `path` as the refused connection names it. */
export function refusedSocket(path: string | undefined): string {
  const user = userName();
  const refused = `${user} may not open its socket`;
  if (path === undefined) return `${refused}. Run agentd as a user who may`;
  let found: { mode: number; uid: number; gid: number };
  try {
    found = statSync(path);
  } catch {
    return `${refused}: a folder on the way to "${path}" is closed. Run agentd as a user who may go there, or name another socket in docker.host`;
  }
  const group = nameIn("/etc/group", found.gid);
  if (found.gid !== 0 && (found.mode & 0o020) !== 0)
    return `${refused}. Add the user to the socket's group (usermod -aG ${group} ${user.replace(/^user /, "")}) and log in anew`;
  const mode = (found.mode & 0o777).toString(8).padStart(4, "0");
  return `${refused}: "${path}" is for ${nameIn("/etc/passwd", found.uid)} alone (mode ${mode}). Let the engine give it to a group (dockerd -G docker, or "group" in its daemon.json) and add the user to that, or run agentd as ${nameIn("/etc/passwd", found.uid)}`;
}

/** Not every user has a name, as in a container. */
function userName(): string {
  try {
    return `user ${userInfo().username}`;
  } catch {
    return `user ${process.getuid?.() ?? "of this process"}`;
  }
}

function nameIn(file: "/etc/passwd" | "/etc/group", id: number): string {
  try {
    const lines = readFileSync(file, "utf8").split("\n");
    return lines.find((line) => line.split(":")[2] === String(id))?.split(":")[0] ?? String(id);
  } catch {
    return String(id);
  }
}
