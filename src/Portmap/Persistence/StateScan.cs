using System.Buffers;

namespace Portmap.Persistence;

/// <summary>
/// One reading of a state file: every intact fact, and each part that is not one.
/// </summary>
/// <remarks>
/// A part that cannot be read is never a reason to stop. Lines begin with a mark that stands
/// nowhere else, so the part ends at the next mark, even where the line break before it was what
/// was damaged.
/// </remarks>
internal sealed class StateScan
{
    /// <summary>
    /// The version that is written; each one before it is read too, and written anew in this one.
    /// </summary>
    /// <remarks>
    /// 2: several claims of one line. A reader of version 1 would take such a line for one claim of
    /// an owner with a long name.
    /// </remarks>
    public const int Version = 2;

    /// <summary>Of a name of 20 characters.</summary>
    private const int TypicalLine = 200;

    private const int BufferSize = 2 * FactLine.MaxLength;

    private readonly FactLineReader _reader = new();
    private readonly PortFactSet _facts;
    private readonly List<PortFact> _taken = [];   // the facts of the line that is read: one, or those of a group
    private readonly List<Damage> _damages = [];

    private StateScan(PortFactSet facts) => _facts = facts;

    /// <summary>The parts that could not be read, as they were, in the order of the file.</summary>
    public IReadOnlyList<Damage> Damages => _damages;

    /// <summary>
    /// How many bytes after the last line break are not a whole line: a change that was being
    /// written, and so was never confirmed.
    /// </summary>
    public long TornBytes { get; private set; }

    /// <summary>Whether something that was confirmed may be lost: not what was being written, nor a
    /// line break.</summary>
    public bool LostAny => Length == 0 || Damages.Count > 0;

    /// <summary>How long the file is.</summary>
    public long Length { get; private set; }

    /// <summary>How many lines were facts.</summary>
    public long Lines { get; private set; }

    /// <summary>The version that the first line says, or 0 when it does not.</summary>
    public int FileVersion { get; private set; }

    /// <summary>Whether the last line is whole but for its line break.</summary>
    public bool EndsOpen { get; private set; }

    /// <summary>
    /// How many lines are joined to the one before: their line break is lost, and nothing else is.
    /// </summary>
    public int LostBreaks { get; private set; }

    /// <summary>Whether the file is no more than the beginning of a first line.</summary>
    public bool IsCutHeader { get; private set; }

    /// <summary>Whether there is anything that makes this a state file.</summary>
    public bool IsState => FileVersion > 0 || Lines > 0 || IsCutHeader;

    /// <summary>
    /// Whether the file is as this version writes it, so that it can be appended to.
    /// </summary>
    public bool IsClean => FileVersion == Version && _damages.Count == 0 && LostBreaks == 0 && TornBytes == 0 && !EndsOpen;

    /// <summary>Reads a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="facts">Gets every fact.</param>
    /// <param name="cancellationToken">Looked at before each read.</param>
    public static StateScan Read(IStateFile file, PortFactSet facts, CancellationToken cancellationToken)
    {
        var scan = new StateScan(facts);
        facts.MakeRoom(file.Length, TypicalLine);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            int held = 0;
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int read = file.Read(buffer.AsSpan(held, BufferSize - held), scan.Length + held);
                held += read;
                int used = scan.TakeLines(buffer.AsSpan(0, held), isLast: read == 0);
                if (read == 0 || scan.FileVersion > Version)
                {
                    return scan;
                }

                buffer.AsSpan(used, held - used).CopyTo(buffer);
                held -= used;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <returns>How many bytes are done with.</returns>
    private int TakeLines(Span<byte> bytes, bool isLast)
    {
        int used = 0;
        while (FileVersion <= Version)
        {
            int length = bytes[used..].IndexOf((byte)'\n');
            if (length < 0)
            {
                break;
            }

            TakeLine(bytes.Slice(used, length), LineEnd.Break);
            used += length + 1;
            Length += length + 1;
        }

        if (used < bytes.Length && (isLast || (used == 0 && bytes.Length == BufferSize)))
        {
            // What has no line break and fills the buffer is no line, but it may be many that lost
            // theirs. The last of them goes on in what is read next, so it waits for that; unless
            // it fills the buffer alone.
            int rest = isLast ? -1 : bytes[1..].LastIndexOf(FactLine.Mark);
            int length = rest < 0 ? bytes.Length - used : rest + 1;
            TakeLine(bytes.Slice(used, length), isLast ? LineEnd.File : rest < 0 ? LineEnd.None : LineEnd.Mark);
            Length += length;
            used += length;
        }

        return used;
    }

    private void TakeLine(ReadOnlySpan<byte> line, LineEnd end)
    {
        if (TryTake(line, Length, end))
        {
            EndsOpen = end == LineEnd.File;
            LostBreaks += end == LineEnd.Mark ? 1 : 0;
        }
        else
        {
            IsCutHeader = Length == 0 && end == LineEnd.File && FactLine.Header.StartsWith(line);
            TakeParts(line, end);
        }
    }

    /// <summary>Takes one line: a fact, or the first line of the file.</summary>
    private bool TryTake(ReadOnlySpan<byte> line, long offset, LineEnd end)
    {
        // The first line counts only with what ends it: alone and without its line break it was
        // being written.
        if (offset == 0 && end != LineEnd.File && FactLineReader.ReadHeader(line) is > 0 and int version)
        {
            FileVersion = version;
            return true;
        }

        return TryTakeFact(line);
    }

    private bool TryTakeFact(ReadOnlySpan<byte> line)
    {
        if (!_reader.TryRead(line, _taken))
        {
            return false;
        }

        foreach (PortFact fact in _taken)
        {
            _facts.Apply(fact);
        }

        Lines++;
        return true;
    }

    /// <summary>
    /// Takes a line apart at the marks in it: two lines whose line break was damaged or lost are
    /// two lines all the same.
    /// </summary>
    private void TakeParts(ReadOnlySpan<byte> line, LineEnd lineEnd)
    {
        long offset = Length;
        while (!line.IsEmpty)
        {
            int next = line[1..].IndexOf(FactLine.Mark);
            bool isLast = next < 0;
            ReadOnlySpan<byte> part = isLast ? line : line[..(next + 1)];
            LineEnd end = isLast ? lineEnd : LineEnd.Mark;
            line = line[part.Length..];
            if (TryTake(part, offset, end))
            {
                EndsOpen = end == LineEnd.File;
                LostBreaks += end == LineEnd.Mark ? 1 : 0;
                if (isLast)
                {
                    return;   // and so is its line break, if it has one
                }
            }
            else if (TryTakeFact(part[..^1]))
            {
                Spoil(offset + part.Length - 1, part[^1..]);
            }
            else if (end == LineEnd.File)
            {
                TornBytes = part.Length;
                return;
            }
            else
            {
                // The first line with a damaged line break is kept aside as it is, but its version
                // counts.
                FileVersion = offset == 0 ? FactLineReader.ReadHeader(part[..^1]) : FileVersion;
                Spoil(offset, part);
            }

            offset += part.Length;
        }

        if (lineEnd == LineEnd.Break)
        {
            Spoil(offset, "\n"u8);
        }
    }

    private void Spoil(long offset, ReadOnlySpan<byte> bytes)
    {
        if (_damages.Count == 0 || _damages[^1].End != offset)
        {
            _damages.Add(new Damage(offset));
        }

        _damages[^1].Bytes.Write(bytes);
    }

    private enum LineEnd
    {
        /// <summary>The line has its line break.</summary>
        Break,

        /// <summary>The file ends before one.</summary>
        File,

        /// <summary>The next line begins right after it: its line break is lost.</summary>
        Mark,

        /// <summary>It is longer than any line, and goes on.</summary>
        None,
    }

    /// <summary>A part of the file as it was.</summary>
    internal sealed class Damage(long offset)
    {
        public long Offset { get; } = offset;

        public ArrayBufferWriter<byte> Bytes { get; } = new();

        public long End => Offset + Bytes.WrittenCount;
    }
}
