using System.CommandLine;
using Portmap.Diagnostics;
using Portmap.Tool.Parsing;

namespace Portmap.Tool.Verbs;

/// <summary><c>portmap completion bash|zsh|fish</c>: what a shell reads at its start.</summary>
/// <remarks>
/// The scripts ask the hidden verb <c>complete</c>, so that they know every verb, option and owner
/// of the version that is installed.
/// </remarks>
internal static class CompletionVerb
{
    public static Command Make()
    {
        Argument<string> shell = new("SHELL") { Description = "bash, zsh or fish." };
        shell.TakeOnly("bash", "zsh", "fish");
        return new Command("completion", "Writes a script that has a shell complete verbs, options and owners. For bash, and for zsh after compinit: eval \"$(portmap completion bash)\"; for fish: portmap completion fish | source") { shell }
            .Does(async (run, _) =>
            {
                await run.Out.WriteLineAsync(run.Get(shell) switch { "bash" => CompletionScripts.Bash, "zsh" => CompletionScripts.Zsh, _ => CompletionScripts.Fish });
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
            Command root = CommandLine.Build();
            MakeFlags(root);
            IEnumerable<string> found = root.Parse(text, CommandLine.Parsing).GetCompletions(Math.Clamp(run.Get(position), 0, text.Length)).Select(item => item.InsertText ?? item.Label);

            // One a line, and the terminal shows them as they are: what breaks a line or steers a terminal is nothing to offer.
            foreach (string word in found.Where(word => Printable.Of(word) == word))
            {
                await run.Out.WriteLineAsync(word);
            }

            return ExitCode.Done;
        });
    }

    /// <summary>Has options that are given or not take no value: what stands behind one would be
    /// completed as true or false.</summary>
    private static void MakeFlags(Command command)
    {
        foreach (Option flag in command.Options.Where(option => option.ValueType == typeof(bool)))
        {
            flag.Arity = ArgumentArity.Zero;
        }

        foreach (Command verb in command.Subcommands)
        {
            MakeFlags(verb);
        }
    }

    private static Command Hide(this Command command)
    {
        command.Hidden = true;
        return command;
    }
}
