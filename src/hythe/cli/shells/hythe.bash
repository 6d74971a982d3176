# Completion of hythe's words for bash 4.4 and later; `hythe completion bash` prints this file.

_hythe() {
    local kind value help current=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    while IFS=$'\t' read -r kind value help; do
        case $kind in
            plain) COMPREPLY+=("$value") ;;
            open) COMPREPLY+=("$value") && compopt -o nospace ;;
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
            command) _hythe_command "$value" ;;
        esac
    done < <(_HYTHE_COMPLETE=${COMP_LINE:0:COMP_POINT} "$1" "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}

# What stands at word $1 is another command: its own completion knows the rest.
_hythe_command() {
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif [ "$1" = "$COMP_CWORD" ] && [[ $current != */* ]]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$current")
    else
        compopt -o default
    fi
}

complete -o nosort -F _hythe hythe
