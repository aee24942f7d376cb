using System.CommandLine;
using Portmap.Tool.Parsing;

namespace Portmap.Tool.Verbs;

/// <summary><c>portmap completion bash|zsh|fish</c>: what a shell reads at its start.</summary>
/// <remarks>
/// The scripts ask the hidden verb <c>complete</c>, so that they know every verb, option and owner
/// of the version that is installed.
/// </remarks>
internal static class CompletionVerb
{
    private const string Bash = """
        _portmap() {
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$(portmap complete "$COMP_POINT" "$COMP_LINE" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _portmap portmap
        """;

    private const string Zsh = """
        #compdef portmap
        _portmap() {
            local -a found
            found=(${(f)"$(portmap complete "$CURSOR" "$BUFFER" 2>/dev/null)"})   # nothing found is no empty word
            compadd -a found
        }
        compdef _portmap portmap
        """;

    private const string Fish = """
        function __portmap_complete
            set -l line (commandline -cp)
            portmap complete (string length -- $line) $line 2>/dev/null
        end
        complete -c portmap -f -a '(__portmap_complete)'
        """;

    public static Command Make()
    {
        Argument<string> shell = new("SHELL") { Description = "bash, zsh or fish." };
        shell.TakeOnly("bash", "zsh", "fish");
        return new Command("completion", "Writes a script that has a shell complete verbs, options and owners. For bash, and for zsh after compinit: eval \"$(portmap completion bash)\"; for fish: portmap completion fish | source") { shell }
            .Does(async (run, _) =>
            {
                await run.Out.WriteLineAsync(run.Get(shell) switch { "bash" => Bash, "zsh" => Zsh, _ => Fish });
                return ExitCode.Done;
            });
    }

    /// <summary>What can stand at a place of a line.</summary>
    public static Command MakeComplete()
    {
        Argument<int> position = Values.MakeNumber("POSITION", "Where the cursor stands.", "a position", 0, int.MaxValue);
        Argument<string> line = new("LINE");
        return new Command("complete", "Answers the scripts of completion.") { position, line }.Hide().Does(async (run, _) =>
        {
            string text = run.Get(line);
            foreach (System.CommandLine.Completions.CompletionItem item in CommandLine.Build().Parse(text, CommandLine.Parsing).GetCompletions(Math.Clamp(run.Get(position), 0, text.Length)))
            {
                await run.Out.WriteLineAsync(item.InsertText ?? item.Label);
            }

            return ExitCode.Done;
        });
    }

    private static Command Hide(this Command command)
    {
        command.Hidden = true;
        return command;
    }
}
