# Completion of hythe's words for fish 3.1 and later; `hythe completion fish` prints this file.

function __hythe
    set -l words (commandline -opc) (commandline -ct)
    for line in (_HYTHE_COMPLETE=1 $words[1] $words[2..] 2>/dev/null)
        set -l parts (string split \t -- $line)
        switch $parts[1]
            case plain open
                string join \t -- $parts[2..]
            case file
                __fish_complete_path (commandline -ct)
            case dir
                __fish_complete_directories (commandline -ct)
            case command
                # What stands there is another command: its own completion knows the rest.
                complete -C (string join ' ' -- (string escape -- $words[(math $parts[2] + 1)..-2]) (commandline -ct))
        end
    end
end

complete --no-files --command hythe --arguments '(__hythe)'
