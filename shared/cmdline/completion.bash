# Completion of PROGRAM for bash: the program itself returns the words.

_FUNCTION() {
	local line=${COMP_LINE:0:COMP_POINT} words=() n=-1 current='' word i
	# bash also splits words at ':' and '='. Join them again.
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if ((i == 0)) || [[ $line == [[:space:]]* ]]; then
			line=${line#"${line%%[![:space:]]*}"}
			n=$((n + 1))
			words[n]=''
		fi
		if ((i == COMP_CWORD)); then
			word=$line
		fi
		words[n]+=$word
		line=${line#"$word"}
		current=$word
	done
	case $current in
	[:=]) current= ;;
	esac
	# readline replaces only $current: remove what precedes it.
	local before=${words[n]%"$current"} directive='' value
	COMPREPLY=()
	while IFS=$'\t' read -r value _; do
		case $value in
		:*) directive=$value ;;
		*) COMPREPLY+=("${value#"$before"}") ;;
		esac
	done < <("${words[0]/#\~\//$HOME/}" --complete "${words[@]:1}" 2>/dev/null)
	case $directive in
	:file | :dir)
		compopt -o filenames 2>/dev/null
		local action=-f
		if [[ $directive == :dir ]]; then
			action=-d
		fi
		while IFS= read -r value; do
			COMPREPLY+=("$value")
		done < <(compgen "$action" -- "$current")
		;;
	:command)
		# The words after "--" are another command line.
		for ((i = 1; i < COMP_CWORD; i++)); do
			if [[ ${COMP_WORDS[i]} == -- ]]; then
				break
			fi
		done
		if declare -F _comp_command_offset >/dev/null; then
			_comp_command_offset $((i + 1))
		elif declare -F _command_offset >/dev/null; then
			_command_offset $((i + 1))
		elif ((i + 1 == COMP_CWORD)); then
			while IFS= read -r value; do
				COMPREPLY+=("$value")
			done < <(compgen -c -- "$current")
		else
			compopt -o default 2>/dev/null
		fi
		;;
	:nospace) compopt -o nospace 2>/dev/null ;;
	esac
}

complete -F _FUNCTION PROGRAM
