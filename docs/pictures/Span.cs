using System.Globalization;
using System.Text.RegularExpressions;

namespace Portmap.Pictures;

/// <summary>A run of characters of one colour in a line of a terminal.</summary>
/// <param name="Column">Where it begins, from 0.</param>
/// <param name="Text">The characters.</param>
/// <param name="Colour">The colour's number among the 256 of a terminal, -1 for the usual
/// one.</param>
/// <param name="IsBold">In heavy type.</param>
internal sealed partial record Span(int Column, string Text, int Colour, bool IsBold)
{
    private const int Usual = -1;

    /// <summary>Takes a line apart. Sequences that set no colour are left out.</summary>
    /// <param name="line">The line as the command wrote it, with its sequences (ECMA-48).</param>
    public static IReadOnlyList<Span> Read(string line)
    {
        List<Span> spans = [];
        (int column, int at, int colour, bool isBold) = (0, 0, Usual, false);
        foreach (Match sequence in Sequences().Matches(line))
        {
            Add(line[at..sequence.Index]);
            at = sequence.Index + sequence.Length;
            if (sequence.Groups["colour"].Success)
            {
                (colour, isBold) = Style([.. sequence.Groups["colour"].Value.Split(';').Select(number => int.TryParse(number, CultureInfo.InvariantCulture, out int value) ? value : 0)], colour, isBold);
            }
        }

        Add(line[at..]);
        return spans;

        void Add(string text)
        {
            if (!string.IsNullOrWhiteSpace(text))
            {
                spans.Add(new Span(column, text.TrimEnd(), colour, isBold));
            }

            column += text.Length;
        }
    }

    private static (int Colour, bool IsBold) Style(int[] numbers, int colour, bool isBold)
    {
        for (int i = 0; i < numbers.Length; i++)
        {
            switch (numbers[i])
            {
                case 0:
                    (colour, isBold) = (Usual, false);
                    break;
                case 1:
                    isBold = true;
                    break;
                case >= 30 and <= 37:
                    colour = numbers[i] - 30;
                    break;
                case 38 when i + 2 < numbers.Length && numbers[i + 1] == 5:
                    colour = numbers[i += 2];
                    break;
                case 39:
                    colour = Usual;
                    break;
                case >= 90 and <= 97:
                    colour = numbers[i] - 90 + 8;
                    break;
                default:
                    break;
            }
        }

        return (colour, isBold);
    }

    [GeneratedRegex(@"\x1b\[(?<colour>[0-9;]*)m|\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")]
    private static partial Regex Sequences();
}
