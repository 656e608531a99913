# Completion of PROGRAM for fish: the program itself returns the words.

function __FUNCTION
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l directive
    for line in ($words[1] --complete $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case ':*'
                set directive $line
            case '*'
                echo $line
        end
    end
    set -l flag (string match -r -- '^--[^=]+=' $current)
    or set flag ''
    set -l value (string replace -r -- '^--[^=]+=' '' $current)
    switch "$directive"
        case :file
            for path in (__fish_complete_path $value)
                echo $flag$path
            end
        case :dir
            for path in (__fish_complete_directories $value '')
                echo $flag$path
            end
        case :command
            # The words after "--" are another command line.
            set -l i (contains -i -- -- $words)
            complete -C (string join ' ' -- (string escape -- $words[(math $i + 1)..-1]) $current)
    end
end

complete -c PROGRAM -f -k -a '(__FUNCTION)'
