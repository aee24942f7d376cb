using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace Portmap.Persistence;

/// <summary>
/// Writes the lines of the state file; <see cref="FactLineReader"/> reads them. DESIGN.md beside
/// this file has the grammar.
/// </summary>
/// <remarks>
/// <code> #9f3a1b2c tcp 49153 bound epoch=1867… pid=4321 start=987654 uid=1000 boot=6b0f…
/// at=2026-11-25T13:02:35.123Z until=- by=AllocatorPicks owner=vol0:/bricks/b1 └ CRC-32C of what
/// follows the blank └ to the end of the line
/// </code>
/// The mark of a line stands nowhere else in it, so that a reader finds the next line even where a
/// line break was lost, and nobody can hide a line in a name.
/// </remarks>
internal static class FactLine
{
    public const byte Mark = (byte)'#';

    /// <summary>What stands between the facts of one line; in a name it is escaped.</summary>
    public const byte Separator = (byte)'\t';

    /// <summary>How long a line may be, its line break included.</summary>
    /// <remarks>The longest name takes a quarter of it even if every byte is escaped.</remarks>
    public const int MaxLength = 64 * 1_024;

    /// <summary>The mark, eight digits and the blank.</summary>
    public const int PrefixLength = 10;

    /// <summary>Everything of a line but the two names, each number at its longest.</summary>
    private const int MaxFixedLength = 256;   // with " in="

    /// <summary>A UTF-16 unit takes up to 3 bytes of UTF-8, each up to 4 as an escape.</summary>
    private const int MaxPerChar = 12;

    private static readonly byte[] s_header = MakeHeader(StateScan.Version);
    private static readonly SearchValues<byte> s_escapedInOwner = SearchValues.Create(Escaped(withBlank: false));
    private static readonly SearchValues<byte> s_escapedInStrategy = SearchValues.Create(Escaped(withBlank: true));
    private static readonly SearchValues<char> s_escapedInOwnerText = SearchValues.Create(Encoding.ASCII.GetString(Escaped(withBlank: false)));
    private static readonly SearchValues<char> s_escapedInStrategyText = SearchValues.Create(Encoding.ASCII.GetString(Escaped(withBlank: true)));

    /// <summary>The first line of a file, its line break included.</summary>
    public static ReadOnlySpan<byte> Header => s_header;

    public static byte[] MakeHeader(int version)
    {
        Span<byte> line = stackalloc byte[MaxFixedLength];
        int end = Put("portmap-state "u8, line, PrefixLength);
        return line[..Seal(line, Put(version, line, end))].ToArray();
    }

    /// <returns>Whether it fits a line.</returns>
    public static bool TryWrite(ArrayBufferWriter<byte> to, PortFact fact)
    {
        Span<byte> line = to.GetSpan(MostOf(fact));
        return TryAdvance(to, Seal(line, fact.IsMark ? PutMark(fact, line) : PutClaim(fact, line)));
    }

    /// <summary>Writes facts that are to be durable all or none: one line with one
    /// checksum.</summary>
    /// <returns>Whether they fit a line.</returns>
    public static bool TryWriteTogether(ArrayBufferWriter<byte> to, ReadOnlySpan<PortFact> facts)
    {
        int most = PrefixLength + 1;
        foreach (PortFact fact in facts)
        {
            most += MostOf(fact);
        }

        Span<byte> line = to.GetSpan(most);
        int end = PrefixLength;
        foreach (PortFact fact in facts)
        {
            if (end > PrefixLength)
            {
                line[end++] = Separator;
            }

            end += PutClaim(fact, line[(end - PrefixLength)..]) - PrefixLength;
        }

        return TryAdvance(to, Seal(line, end));
    }

    private static int MostOf(PortFact fact) => MaxFixedLength + (MaxPerChar * (fact.Owner.Length + fact.Strategy.Length + (fact.Ports?.Length ?? 0)));

    /// <summary>
    /// How long the line of a fact is, its line break included, without writing it.
    /// </summary>
    public static int Measure(PortFact fact)
    {
        if (fact.IsMark)
        {
            return PrefixLength + "mark epoch="u8.Length + Digits(fact.Epoch) + 1;
        }

        int state = fact.State switch { PortState.Reserved => "reserved"u8.Length, PortState.Bound => "bound"u8.Length, _ => "ended"u8.Length };
        return PrefixLength + "tcp   epoch= pid= start= boot= at= until= by= owner="u8.Length
            + Digits(fact.Port) + state + Digits(fact.Epoch) + (fact.Origin != 0 ? " of="u8.Length + Digits(fact.Origin) : 0)
            + Digits(fact.ProcessId) + Digits(fact.ProcessStart) + (fact.UserId is { } user ? " uid="u8.Length + Digits(user) : 0) + (fact.BootId == Guid.Empty ? 1 : 36)
            + LineTime.Measure(fact.AtMs) + LineTime.Measure(fact.UntilMs) + (fact.Ports is { } ports ? " in="u8.Length + Measure(ports, s_escapedInStrategyText) : 0)
            + Measure(fact.Strategy, s_escapedInStrategyText) + Measure(fact.Owner, s_escapedInOwnerText) + 1;
    }

    public static bool IsSealed(ReadOnlySpan<byte> line)
    {
        Span<byte> prefix = stackalloc byte[PrefixLength];
        if (line.Length <= PrefixLength)
        {
            return false;
        }

        PutPrefix(Crc32C.Of(line[PrefixLength..]), prefix);
        return line.StartsWith(prefix);
    }

    private static bool TryAdvance(ArrayBufferWriter<byte> to, int end)
    {
        if (end > MaxLength)
        {
            return false;
        }

        to.Advance(end);
        return true;
    }

    private static int Digits(long number)
    {
        Span<byte> digits = stackalloc byte[20];
        Utf8Formatter.TryFormat(number, digits, out int written);
        return written;
    }

    private static int Measure(string text, SearchValues<char> escaped)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        ReadOnlySpan<char> rest = text;
        for (int at = rest.IndexOfAny(escaped); at >= 0; at = rest.IndexOfAny(escaped))
        {
            length += 3;
            rest = rest[(at + 1)..];
        }

        return length;
    }

    private static int PutMark(PortFact fact, Span<byte> line) => Put(fact.Epoch, line, Put("mark epoch="u8, line, PrefixLength));

    private static int PutClaim(PortFact fact, Span<byte> line)
    {
        int end = Put(fact.Protocol == PortProtocol.Tcp ? "tcp "u8 : "udp "u8, line, PrefixLength);
        end = Put(fact.Port, line, end);
        end = Put(fact.State switch { PortState.Reserved => " reserved"u8, PortState.Bound => " bound"u8, _ => " ended"u8 }, line, end);
        end = Put(fact.Epoch, line, Put(" epoch="u8, line, end));
        end = fact.Origin != 0 ? Put(fact.Origin, line, Put(" of="u8, line, end)) : end;
        end = Put(fact.ProcessId, line, Put(" pid="u8, line, end));
        end = Put(fact.ProcessStart, line, Put(" start="u8, line, end));
        if (fact.UserId is { } user)
        {
            end = Put(user, line, Put(" uid="u8, line, end));
        }

        end = PutBoot(fact.BootId, line, Put(" boot="u8, line, end));
        end = Put(" at="u8, line, end);
        end += LineTime.Write(fact.AtMs, line[end..]);
        end = Put(" until="u8, line, end);
        end += LineTime.Write(fact.UntilMs, line[end..]);
        end = fact.Ports is { } ports ? PutText(ports, s_escapedInStrategy, line, Put(" in="u8, line, end)) : end;
        end = PutText(fact.Strategy, s_escapedInStrategy, line, Put(" by="u8, line, end));
        return PutText(fact.Owner, s_escapedInOwner, line, Put(" owner="u8, line, end));
    }

    private static int Put(ReadOnlySpan<byte> text, Span<byte> line, int at)
    {
        text.CopyTo(line[at..]);
        return at + text.Length;
    }

    private static int Put(long number, Span<byte> line, int at)
    {
        Utf8Formatter.TryFormat(number, line[at..], out int written);
        return at + written;
    }

    private static int PutBoot(Guid boot, Span<byte> line, int at)
    {
        if (boot == Guid.Empty)
        {
            return Put("-"u8, line, at);
        }

        Utf8Formatter.TryFormat(boot, line[at..], out int written);
        return at + written;
    }

    private static int PutText(string text, SearchValues<byte> escaped, Span<byte> line, int at)
    {
        int end = at + Encoding.UTF8.GetBytes(text, line[at..]);
        return line[at..end].ContainsAny(escaped) ? PutEscaped(line[at..end].ToArray(), escaped, line, at) : end;
    }

    private static int PutEscaped(byte[] text, SearchValues<byte> escaped, Span<byte> line, int at)
    {
        foreach (byte value in text)
        {
            if (escaped.Contains(value))
            {
                at = Put(@"\x"u8, line, at);
                line[at++] = Digit(value >> 4);
                line[at++] = Digit(value & 15);
            }
            else
            {
                line[at++] = value;
            }
        }

        return at;
    }

    /// <summary>
    /// Puts the checksum before and the line break after what stands in the line.
    /// </summary>
    private static int Seal(Span<byte> line, int end)
    {
        PutPrefix(Crc32C.Of(line[PrefixLength..end]), line);
        line[end] = (byte)'\n';
        return end + 1;
    }

    private static void PutPrefix(uint crc, Span<byte> to)
    {
        to[0] = Mark;
        for (int i = 8; i > 0; i--, crc >>= 4)
        {
            to[i] = Digit((int)crc & 15);
        }

        to[PrefixLength - 1] = (byte)' ';
    }

    private static byte Digit(int value) => "0123456789abcdef"u8[value];

    // Control characters would break the line or steer the terminal of whoever looks at the file.
    private static byte[] Escaped(bool withBlank) =>
        [.. Enumerable.Range(0, 256).Where(value => value < ' ' || value == 0x7F || value == '\\' || value == Mark || (withBlank && value == ' ')).Select(value => (byte)value)];
}
