/** What counts as secret of the variables that a program is given: by their names, by the shape of their values. Pure. */

/** Names of fields and variables whose values are never shown. */
const secretName =
  /^(?:.*[-_.])?(?:authorization|cookie|set-cookie|token|secret|secrets|password|passwd|passphrase|credential|credentials|api[-_]?key|apikey|private[-_]?key|access[-_]?key|key)$/i;

/** The same for names in one word, such as `accessToken`. */
const secretCamel = /(?:Token|Secret|Password|ApiKey|PrivateKey|Credentials?|Authorization)$/;

/** … and of variables, such as `PGPASSWORD` and `SSHPASS`. The shell's own PWD and OLDPWD are folders. */
const secretVariable =
  /^(?!(?:OLD)?PWD$)[A-Z0-9_]*(?:PASSWORD|PASSWD|PWD|(?<!BY|COM)PASS|TOKEN|SECRET|AUTH|(?<!COM)PAT)$/;

/** Keys and tokens of well-known makers, whatever they are called. */
const secretShape =
  /^(?:(?:sk|pk|rk)-[\w-]{12,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abpr]-[\w-]{10,}|AKIA[0-9A-Z]{16}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)$/;

/** Shorter ones would be found in the midst of innocent words. */
export const secretLengthMin = 8;

/** Whether a field or a variable of this name holds something that nobody should read. */
export function isSecretName(name: string): boolean {
  return secretName.test(name) || secretCamel.test(name) || secretVariable.test(name);
}

/** Values of variables that are secret: by name, by shape, because they are marked, and passwords within addresses. */
export function secretValues(env: Readonly<Record<string, string>>, marked: readonly string[] = []): string[] {
  const found = Object.entries(env).flatMap(([name, value]) => {
    if (isSecretName(name) || secretShape.test(value) || marked.includes(name)) return [value];
    return passwordIn(value);
  });
  return [...new Set(found)].filter(({ length }) => length >= secretLengthMin);
}

function passwordIn(value: string): string[] {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/]*@/i.test(value) || !URL.canParse(value)) return [];
  const { password } = new URL(value);
  return password === "" ? [] : [password, ...decoded(password)];
}

function decoded(text: string): string[] {
  try {
    return [decodeURIComponent(text)];
  } catch {
    return [];
  }
}
