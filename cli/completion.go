package cli

import (
	"context"
	"fmt"
)

// completion runs the command completion: it prints a script for a shell,
// which asks the hidden command complete at every key press.
func completion(_ context.Context, sh *shell, in invocation) error {
	name, err := in.text("shell")
	if err != nil {
		return err
	}
	script, ok := map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[name]
	if !ok {
		return worded(fmt.Sprintf("unknown shell '%s': bash, zsh and fish are known", name))
	}
	sh.printf("%s", script)
	return nil
}

// In each script a line ":file" from complete asks for file names. bash
// splits words at "=" and ":", so its script splits the line at blanks
// itself and puts back only what follows the last break.
const (
	bashScript = `_vnetmgr() {
	local line=${COMP_LINE:0:COMP_POINT} words cur word breaks=${COMP_WORDBREAKS//[[:space:]]/}
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=('')
	cur=${words[${#words[@]}-1]}
	local drop=${cur%"${cur##*["$breaks"]}"}
	COMPREPLY=()
	while IFS= read -r word; do
		if [[ $word == :file ]]; then
			compopt -o filenames 2>/dev/null
			while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "${cur#--*=}")
		else
			COMPREPLY+=("$(printf %q "${word#"$drop"}")")
		fi
	done < <("${words[0]}" complete "${words[@]:1}" 2>/dev/null)
}
complete -F _vnetmgr vnetmgr
`
	zshScript = `#compdef vnetmgr
_vnetmgr() {
	local -a found
	found=("${(@f)$("${words[1]}" complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if (( ${found[(Ie):file]} )); then
		_files
		return
	fi
	found=("${(@)found:#}")
	(( $#found )) && compadd -a found
}
if [ "$funcstack[1]" = "_vnetmgr" ]; then
	_vnetmgr "$@"
else
	compdef _vnetmgr vnetmgr
fi
`
	fishScript = `function __vnetmgr_complete
	set -l words (commandline -opc)
	for word in ($words[1] complete $words[2..-1] (commandline -ct) 2>/dev/null)
		if test $word = :file
			__fish_complete_path (commandline -ct)
		else
			echo $word
		end
	end
end
complete -c vnetmgr -f -a '(__vnetmgr_complete)'
`
)

// runNothing is the row of a command that Main runs itself.
func runNothing(context.Context, *shell, invocation) error { return nil }
