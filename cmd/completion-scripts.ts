/** What each shell loads. All of them ask the program, so that they are true of whichever version is installed. */

/** Old enough for the bash of macOS. */
const bash = String.raw`# agentd for bash: source <(agentd completion bash)
_agentd() {
  local line current="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in
      :files*) compopt -o filenames 2>/dev/null; while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current"); return ;;
      :dirs*) compopt -o filenames 2>/dev/null; while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "$current"); return ;;
      *) COMPREPLY+=("\${line%%$'\t'*}") ;;
    esac
  done < <(agentd complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _agentd agentd
`.replaceAll("\\$", "$");

const zsh = String.raw`#compdef agentd
# agentd for zsh: source <(agentd completion zsh), behind compinit
_agentd() {
  local line value
  local -a candidates
  for line in "\${(@f)$(agentd complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case "$line" in
      :files*) _files; return ;;
      :dirs*) _files -/; return ;;
      "") ;;
      *) value="\${line%%$'\t'*}"; candidates+=("\${value//:/\\:}:\${line#*$'\t'}") ;;
    esac
  done
  _describe agentd candidates
}
if [ "$funcstack[1]" = "_agentd" ]; then _agentd "$@"; else compdef _agentd agentd; fi
`.replaceAll("\\$", "$");

const fish = `# agentd for fish: agentd completion fish | source
function __agentd_complete
  set -l words (commandline -opc)[2..-1] (commandline -ct)
  for line in (agentd complete -- $words 2>/dev/null)
    switch $line
      case ':files*'
        __fish_complete_path (commandline -ct)
      case ':dirs*'
        __fish_complete_directories (commandline -ct)
      case '*'
        echo $line
    end
  end
end
complete -c agentd -f -a '(__agentd_complete)'
`;

export const shellScripts = { bash, zsh, fish } as const;
