#compdef PROGRAM
# Completion of PROGRAM for zsh: the program itself returns the words.

_FUNCTION() {
	local line value help directive
	local -a values shown
	local -a before=("${(@Q)words[2,CURRENT-1]}")
	while IFS= read -r line; do
		value=${line%%$'\t'*}
		if [[ $value == :* ]]; then
			directive=$value
			continue
		fi
		help=''
		if [[ $line == *$'\t'* ]]; then
			help=${line#*$'\t'}
		fi
		values+=("$value")
		shown+=("$value${help:+  -- $help}")
	done < <("${(Q)words[1]}" --complete "${before[@]}" "${(Q)PREFIX}" 2>/dev/null)
	local -a options
	if [[ $directive == :nospace ]]; then
		options=(-S '')
	fi
	if (($#values)); then
		compadd -l -d shown "${options[@]}" -a values
	fi
	case $directive in
	:file | :dir)
		if [[ $PREFIX == --*=* ]]; then
			compset -P '*='
		fi
		if [[ $directive == :dir ]]; then
			_files -/
		else
			_files
		fi
		;;
	:command)
		# The words after "--" are another command line.
		local -i i=${words[(i)--]}
		shift $i words
		((CURRENT -= i))
		_normal
		;;
	esac
}

if [[ $funcstack[1] == _PROGRAM ]]; then
	_FUNCTION "$@"
else
	compdef _FUNCTION PROGRAM
fi
