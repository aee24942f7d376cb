using System.CommandLine;
using System.CommandLine.Parsing;
using Portmap.Tool.Output;

namespace Portmap.Tool.Parsing;

/// <summary>A word of a command line that means nothing where it stands.</summary>
internal static class UnknownWord
{
    /// <summary>What other programs call a verb of ours.</summary>
    private static readonly Dictionary<string, string> s_synonyms = new(StringComparer.OrdinalIgnoreCase)
    {
        ["diagnose"] = "doctor",
        ["ls"] = "list",
        ["get"] = "lookup",
    };

    /// <summary>What is said of the first one; null when there is none.</summary>
    public static string? Complaint(ParseResult arguments)
    {
        Command command = arguments.CommandResult.Command;
        if ((arguments.UnmatchedTokens.Count != 0 ? arguments.UnmatchedTokens[0] : OptionAsArgument(arguments)) is not { } word)
        {
            return null;
        }

        string[] verbs = [.. command.Subcommands.Where(verb => !verb.Hidden).Select(verb => verb.Name)];
        return IsOption(word) ? $"unknown option {Words.Quoted(word)}{Nearest.Suggest(word, OptionsOf(command))}"
            : verbs.Length == 0 ? $"{Words.Quoted(word)} is one argument too many."
            : s_synonyms.TryGetValue(word, out string? verb) && verbs.Contains(verb) ? $"unknown command {Words.Quoted(word)}; did you mean {verb}?"
            : $"unknown command {Words.Quoted(word)}{Nearest.Suggest(word, verbs)}";
    }

    /// <summary>The parser gives an argument that is open whatever comes; an option that is written
    /// wrong would become an owner.</summary>
    private static string? OptionAsArgument(ParseResult arguments)
    {
        Token[] taken = [.. arguments.CommandResult.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens)];
        return arguments.Tokens
            .TakeWhile(token => token.Type != TokenType.DoubleDash)
            .FirstOrDefault(token => token.Type == TokenType.Argument && IsOption(token.Value) && taken.Contains(token))?.Value;
    }

    private static bool IsOption(string word) => word.Length > 1 && word[0] == '-' && !char.IsAsciiDigit(word[1]);

    private static IEnumerable<string> OptionsOf(Command command)
    {
        IEnumerable<Option> above = command.Parents.OfType<Command>().SelectMany(parent => parent.Parents.OfType<Command>().Append(parent))
            .SelectMany(parent => parent.Options).Where(option => option.Recursive);
        return command.Options.Concat(above).Where(option => !option.Hidden).Select(option => option.Name);
    }
}
