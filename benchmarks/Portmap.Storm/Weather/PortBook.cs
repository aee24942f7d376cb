using System.Diagnostics;
using System.Globalization;

namespace Portmap.Storm.Weather;

/// <summary>When somebody got which number of the range. The storm asks by it who took a number
/// that was lost.</summary>
/// <remarks>One thread takes, another one is asked: both hold <see cref="Turn"/>, the first from
/// before its system call until the number is noted.</remarks>
internal sealed class PortBook
{
    public const string Forget = "forget";
    public const string Who = "who ";

    private readonly List<(long Before, long After)>[] _taken = [.. Enumerable.Range(0, StormNamespace.Ports.Count).Select(_ => new List<(long, long)>())];

    public Lock Turn { get; } = new();

    /// <summary>Answers a line of the storm's that is about books.</summary>
    /// <param name="line"><c>forget</c>, or <c>who PORT FROM UNTIL</c>.</param>
    /// <param name="isCertain">Whether only who had the number before UNTIL for certain
    /// counts.</param>
    /// <param name="books">Those of this process.</param>
    /// <returns>When the number was got the last time between the two, or 0.</returns>
    public static string Answer(string line, bool isCertain, params IReadOnlyList<PortBook> books)
    {
        if (line == Forget)
        {
            foreach (PortBook book in books)
            {
                book.Clear();
            }

            return Forget;
        }

        long[] asked = [.. line[Who.Length..].Split(' ').Select(number => long.Parse(number, CultureInfo.InvariantCulture))];
        return books.Max(book => book.LastTaken((int)asked[0], asked[1], asked[2], isCertain)).ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Called by who takes, which holds <see cref="Turn"/>.</summary>
    /// <param name="port">The number.</param>
    /// <param name="before">When it was not taken yet.</param>
    public void Note(int port, long before)
    {
        if (StormNamespace.Ports.Contains(port))
        {
            _taken[port - StormNamespace.Ports.First].Add((before, Stopwatch.GetTimestamp()));
        }
    }

    private void Clear()
    {
        lock (Turn)
        {
            Array.ForEach(_taken, times => times.Clear());
        }
    }

    private long LastTaken(int port, long from, long until, bool isCertain)
    {
        lock (Turn)
        {
            return _taken[port - StormNamespace.Ports.First].LastOrDefault(time => time.After >= from && (isCertain ? time.After : time.Before) <= until).After;
        }
    }
}
