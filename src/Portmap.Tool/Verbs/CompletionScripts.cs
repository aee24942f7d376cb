namespace Portmap.Tool.Verbs;

/// <summary>What a shell reads so that it completes the words of <c>portmap</c>.</summary>
/// <remarks>
/// An owner is text of somebody else: a shell must neither expand it nor take it for several words.
/// Each script asks what can stand where the word begins that is typed, reads the answer by lines,
/// compares letters, and inserts what means just that owner.
/// </remarks>
internal static class CompletionScripts
{
    // compgen -W would expand each word of the answer, command substitutions too. Readline replaces
    // $2, the text after the last of COMP_WORDBREAKS (a colon, say) or after a quote that is open;
    // what stands before it of the same word is kept, and is left out of the replies.
    public const string Bash = """
        # Reads $1: where its last word begins, what that word means, and the quote that is left open.
        # False when the shell would expand the word.
        _portmap_read() {
            local char next i
            word=0 text= quote=
            for ((i = 0; i < ${#1}; i++)); do
                char=${1:i:1} next=${1:i+1:1}
                if [[ $char == '\' && $quote != "'" ]]; then
                    if [[ -z $quote || $next == [\$\`\"\\] ]]; then
                        char=$next
                        i=$((i + 1))
                    fi
                    text+=$char
                elif [[ $char == "$quote" ]]; then
                    quote=
                elif [[ $quote != "'" && $char == [\$\`] || -z $quote && $char == [*?[] ]]; then
                    return 1
                elif [[ -z $quote && $char == [\'\"] ]]; then
                    quote=$char
                elif [[ -z $quote && $char == [[:space:]] ]]; then
                    word=$((i + 1)) text=
                else
                    text+=$char
                fi
            done
        }
        _portmap() {
            local line=${COMP_LINE:0:COMP_POINT} word text quote found
            COMPREPLY=()
            _portmap_read "$line" || return 0
            local before=${line:0:word} typed=${line:word} prefix=$text
            _portmap_read "${typed%"$2"}"
            while IFS= read -r found; do
                [[ $found == "$prefix"* ]] || continue
                found=${found:${#text}}
                if [[ -z $quote && -n $found ]]; then
                    printf -v found %q "$found"
                elif [[ $quote == "'" && $found == *\'* || $quote == '"' && $found == *[\\\$\`\"!]* ]]; then
                    continue   # not to be written within this quote
                fi
                COMPREPLY+=("$found")
            done <<<"$(portmap complete "${#before}" "$before" 2>/dev/null)"
        }
        complete -o default -F _portmap portmap
        """;

    // compadd compares and quotes.
    public const string Zsh = """
        #compdef portmap
        _portmap() {
            local before="${(j: :)words[1,CURRENT-1]} "
            local -a found
            found=(${(f)"$(portmap complete ${#before} "$before" 2>/dev/null)"})   # nothing found is no empty word
            compadd -a found
        }
        compdef _portmap portmap
        """;

    // fish compares and quotes.
    public const string Fish = """
        function __portmap_complete
            set -l line (commandline -cp | string collect)
            set -l typed (commandline -ct | string collect)
            set -l length (math (string length -- "$line") - (string length -- "$typed"))
            portmap complete $length (string sub -l $length -- "$line" | string collect) 2>/dev/null
        end
        complete -c portmap -f -a '(__portmap_complete)'
        """;
}
