using System.Buffers.Text;
using System.Text;

namespace Portmap.Persistence;

/// <summary>Reads lines that <see cref="FactLine"/> has written.</summary>
/// <remarks>
/// Lines that follow each other mostly share the boot, the strategy and the second, so the last
/// ones are kept.
/// </remarks>
internal sealed class FactLineReader
{
    private byte[] _bootText = [];
    private Guid _boot;
    private byte[] _strategyText = [];
    private string _strategy = string.Empty;
    private readonly byte[] _secondText = new byte[LineTime.SecondLength];
    private long _second;

    /// <summary>Reads the first line of a file.</summary>
    /// <returns>The version, or 0 when it is not such a line.</returns>
    public static int ReadHeader(ReadOnlySpan<byte> line)
    {
        var rest = new Rest(line);
        return FactLine.IsSealed(line) && rest.Skip(FactLine.PrefixLength) && rest.Skip("portmap-state "u8) && rest.Number(out long version) && rest.IsEmpty && version > 0
            ? (int)Math.Min(version, int.MaxValue)
            : 0;
    }

    /// <summary>Reads one line.</summary>
    /// <param name="line">Without its line break.</param>
    /// <returns>The fact, or null when anything is wrong with the line.</returns>
    public PortFact? Read(ReadOnlySpan<byte> line)
    {
        return FactLine.IsSealed(line) ? ReadFact(line[FactLine.PrefixLength..]) : null;
    }

    /// <summary>Reads a line that may hold the facts of a group.</summary>
    /// <param name="line">Without its line break.</param>
    /// <param name="facts">Gets them: all, or none when anything is wrong with the line.</param>
    /// <returns>Whether the line was intact.</returns>
    public bool TryRead(ReadOnlySpan<byte> line, List<PortFact> facts)
    {
        facts.Clear();
        if (!FactLine.IsSealed(line))
        {
            return false;
        }

        line = line[FactLine.PrefixLength..];
        for (int length = 0; length >= 0; line = line[(length + 1)..])
        {
            length = line.IndexOf(FactLine.Separator);
            if (ReadFact(length < 0 ? line : line[..length]) is not { } fact)
            {
                facts.Clear();
                return false;
            }

            facts.Add(fact);
        }

        return true;
    }

    private PortFact? ReadFact(ReadOnlySpan<byte> text)
    {
        var rest = new Rest(text);
        if (rest.Skip("mark epoch="u8))
        {
            return rest.Number(out long mark) && rest.IsEmpty ? PortFact.Mark(mark) : null;
        }

        bool isTcp = rest.Skip("tcp "u8);
        if ((isTcp || rest.Skip("udp "u8))
            && rest.Number(out long port) && port is >= 0 and <= ushort.MaxValue
            && State(ref rest, out PortState state)
            && rest.Skip(" epoch="u8) && rest.Number(out long epoch)
            && Origin(ref rest, out long origin)
            && rest.Skip(" pid="u8) && rest.Number(out long pid) && pid is >= 0 and <= int.MaxValue
            && rest.Skip(" start="u8) && rest.Number(out long start)
            && User(ref rest, out uint? user)
            && rest.Skip(" boot="u8) && Boot(rest.Word(), out Guid boot)
            && rest.Skip(" at="u8) && Time(rest.Word(), out long at)
            && rest.Skip(" until="u8) && Time(rest.Word(), out long until)
            && Ports(ref rest, out string? ports)
            && rest.Skip(" by="u8) && Strategy(rest.Word(), out string strategy)
            && rest.Skip(" owner="u8) && Text(rest.All(), out string owner) && owner.Length > 0)
        {
            return new PortFact
            {
                Protocol = isTcp ? PortProtocol.Tcp : PortProtocol.Udp,
                Port = (int)port,
                State = state,
                Epoch = epoch,
                Origin = origin,
                ProcessId = (int)pid,
                ProcessStart = start,
                UserId = user,
                BootId = boot,
                Ports = ports,
                AtMs = at,
                UntilMs = until,
                Strategy = strategy,
                Owner = owner,
            };
        }

        return null;
    }

    private static bool State(ref Rest rest, out PortState state)
    {
        state = rest.Skip(" bound"u8) ? PortState.Bound : rest.Skip(" reserved"u8) ? PortState.Reserved : rest.Skip(" ended"u8) ? PortState.Cooling : PortState.Free;
        return state != PortState.Free;
    }

    /// <summary>Left out where it is not known.</summary>
    private static bool User(ref Rest rest, out uint? user)
    {
        user = null;
        if (!rest.Skip(" uid="u8))
        {
            return true;
        }

        bool isRead = rest.Number(out long number) && number is >= 0 and <= uint.MaxValue;
        user = (uint)number;
        return isRead;
    }

    /// <summary>Left out where it may be any.</summary>
    private static bool Ports(ref Rest rest, out string? ports)
    {
        ports = null;
        return !rest.Skip(" in="u8) || Text(rest.Word(), out ports);
    }

    /// <summary>Left out where a claim goes back to itself.</summary>
    private static bool Origin(ref Rest rest, out long origin)
    {
        origin = 0;
        return !rest.Skip(" of="u8) || rest.Number(out origin);
    }

    private bool Boot(ReadOnlySpan<byte> text, out Guid boot)
    {
        boot = _boot;
        if (text.SequenceEqual(_bootText))
        {
            return true;
        }

        if (text is [(byte)'-'])
        {
            boot = Guid.Empty;
        }
        else if (!Utf8Parser.TryParse(text, out boot, out int consumed) || consumed != text.Length)
        {
            return false;
        }

        (_bootText, _boot) = (text.ToArray(), boot);
        return true;
    }

    private bool Time(ReadOnlySpan<byte> text, out long unixMs)
    {
        if (text.Length == LineTime.MaxLength && text.StartsWith(_secondText) && LineTime.TryReadMs(text, out int ms))
        {
            unixMs = _second + ms;
            return true;
        }

        if (!LineTime.TryRead(text, out unixMs))
        {
            return false;
        }

        if (text.Length == LineTime.MaxLength && LineTime.TryReadMs(text, out ms))
        {
            text[..LineTime.SecondLength].CopyTo(_secondText);
            _second = unixMs - ms;
        }

        return true;
    }

    private bool Strategy(ReadOnlySpan<byte> text, out string strategy)
    {
        strategy = _strategy;
        if (text.SequenceEqual(_strategyText))
        {
            return true;
        }

        if (!Text(text, out strategy))
        {
            return false;
        }

        (_strategyText, _strategy) = (text.ToArray(), strategy);
        return true;
    }

    private static bool Text(ReadOnlySpan<byte> text, out string value)
    {
        if (!text.Contains((byte)'\\'))
        {
            value = Encoding.UTF8.GetString(text);
            return true;
        }

        byte[] plain = new byte[text.Length];
        int length = 0;
        for (int i = 0; i < text.Length; i++)
        {
            byte next = text[i];
            if (next == '\\')
            {
                if (text.Length - i < 4 || text[i + 1] != 'x' || !Utf8Parser.TryParse(text.Slice(i + 2, 2), out next, out int consumed, 'x') || consumed != 2)
                {
                    value = string.Empty;
                    return false;
                }

                i += 3;
            }

            plain[length++] = next;
        }

        value = Encoding.UTF8.GetString(plain.AsSpan(0, length));
        return true;
    }

    /// <summary>What is left of a line.</summary>
    private ref struct Rest(ReadOnlySpan<byte> text)
    {
        /// <summary>So many digits are no more than a long holds.</summary>
        private const int SafeDigits = 18;

        private ReadOnlySpan<byte> _text = text;

        public readonly bool IsEmpty => _text.IsEmpty;

        public bool Skip(int count)
        {
            _text = _text[count..];
            return true;
        }

        public bool Skip(ReadOnlySpan<byte> word) => _text.StartsWith(word) && Skip(word.Length);

        /// <summary>A number, as the general parser reads it, which takes longer.</summary>
        public bool Number(out long number)
        {
            number = 0;
            int length = 0;
            for (; length < _text.Length && (uint)(_text[length] - '0') <= 9; length++)
            {
                if (length == SafeDigits)
                {
                    return Utf8Parser.TryParse(_text, out number, out int consumed) && Skip(consumed);
                }

                number = (number * 10) + (_text[length] - '0');
            }

            return length > 0 ? Skip(length) : Utf8Parser.TryParse(_text, out number, out length) && Skip(length);
        }

        /// <summary>Everything up to the next blank.</summary>
        public ReadOnlySpan<byte> Word()
        {
            int blank = _text.IndexOf((byte)' ');
            ReadOnlySpan<byte> word = blank < 0 ? _text : _text[..blank];
            Skip(word.Length);
            return word;
        }

        public readonly ReadOnlySpan<byte> All() => _text;
    }
}
