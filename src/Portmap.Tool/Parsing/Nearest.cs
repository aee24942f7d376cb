namespace Portmap.Tool.Parsing;

/// <summary>What was meant by a word that is not quite one.</summary>
internal static class Nearest
{
    /// <summary>The end of a message that names the nearest word, if one is near.</summary>
    public static string Suggest(string word, IEnumerable<string> words) =>
        Of(word, words) is { } near ? $"; did you mean {near}?" : ".";

    /// <summary>The nearest word: one mistake in three letters is near.</summary>
    private static string? Of(string word, IEnumerable<string> words)
    {
        int most = Math.Min(word.Length / 3, 3);
        return words
            .Select(other => (Word: other, Distance: word.Equals(other, StringComparison.OrdinalIgnoreCase) ? 0 : Distance(word, other)))
            .Where(other => other.Distance <= most)
            .OrderBy(other => other.Distance)
            .Select(other => other.Word)
            .FirstOrDefault();
    }

    /// <summary>How many letters are wrong, missing, too many, or changed with the next one (optimal
    /// string alignment).</summary>
    private static int Distance(string a, string b)
    {
        if (Math.Abs(a.Length - b.Length) > 3)
        {
            return int.MaxValue;   // too far for any word
        }

        int[,] changes = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
        {
            for (int j = 0; j <= b.Length; j++)
            {
                changes[i, j] = i == 0 || j == 0 ? i + j : Math.Min(
                    Math.Min(changes[i - 1, j], changes[i, j - 1]) + 1,
                    changes[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    changes[i, j] = Math.Min(changes[i, j], changes[i - 2, j - 2] + 1);
                }
            }
        }

        return changes[a.Length, b.Length];
    }
}
