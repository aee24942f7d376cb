using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Portmap.Tool.Output;

namespace Portmap.Tool.Parsing;

/// <summary>Values of options and arguments, and what is said of one that is none.</summary>
/// <remarks>The parser's own messages name types of .NET.</remarks>
internal static class Values
{
    /// <summary>An option whose value is a number.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="helpName">What stands for the value in the help.</param>
    /// <param name="description">What it is for.</param>
    /// <param name="what">What the number is, for messages.</param>
    /// <param name="first">The lowest.</param>
    /// <param name="last">The highest.</param>
    public static Option<long?> MakeNumber(string name, string helpName, string description, string what, long first, long last) => new(name)
    {
        HelpName = helpName,
        Description = description,
        CustomParser = result => ParseNumber(result, what, first, last),
    };

    /// <summary>An argument that is a number.</summary>
    public static Argument<int> MakeNumber(string name, string description, string what, int first, int last) => new(name)
    {
        Description = description,
        CustomParser = result => (int)(ParseNumber(result, what, first, last) ?? 0),
    };

    /// <summary>Takes these words and no others.</summary>
    public static void TakeOnly(this Option<string[]> option, params string[] words)
    {
        option.Validators.Add(result => Check(result, result.Tokens, words));
        option.CompletionSources.Add(words);
    }

    /// <inheritdoc cref="TakeOnly(Option{string[]}, string[])"/>
    public static void TakeOnly(this Argument<string> argument, params string[] words)
    {
        argument.HelpName = string.Join('|', words);
        argument.Validators.Add(result => Check(result, result.Tokens, words));
        argument.CompletionSources.Add(words);
    }

    /// <summary>Says that a word is none of those that there are.</summary>
    public static void Check(SymbolResult result, IReadOnlyList<Token> tokens, string[] words)
    {
        if (tokens.FirstOrDefault(token => !words.Contains(token.Value)) is { } token)
        {
            result.AddError($"{Words.Quoted(token.Value)} is none of {string.Join(", ", words)}{Nearest.Suggest(token.Value, words)}");
        }
    }

    /// <summary>Adds that an empty text, mostly a variable of the shell that is not set, is no
    /// path.</summary>
    public static Argument<T> ThatIsAPath<T>(this Argument<T> argument)
    {
        argument.Validators.Add(result => CheckPath(result, result.Tokens));
        return argument;
    }

    /// <inheritdoc cref="ThatIsAPath{T}(Argument{T})"/>
    public static Option<T> ThatIsAPath<T>(this Option<T> option)
    {
        option.Validators.Add(result => CheckPath(result, result.Tokens));
        return option;
    }

    private static void CheckPath(SymbolResult result, IReadOnlyList<Token> tokens)
    {
        if (tokens.Any(token => token.Value.Length == 0))
        {
            result.AddError("'' is no path; write the path of the file or folder.");
        }
    }

    private static long? ParseNumber(ArgumentResult result, string what, long first, long last)
    {
        string text = result.Tokens[0].Value;
        if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number >= first && number <= last)
        {
            return number;
        }

        result.AddError(Words.Text($"{Words.Quoted(text)} is not {what}; write a number of {first} to {last}."));
        return null;
    }
}
