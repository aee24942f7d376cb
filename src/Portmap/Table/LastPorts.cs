namespace Portmap.Table;

/// <summary>The port each owner had last, until that port is given to another owner: of one
/// protocol.</summary>
/// <remarks>
/// <code>
///   by port    _owners[port]     the cell of the owner whose claim on it ended last (a dead cell: its name is what counts)
///   by owner   _hints[hash …]    4 port numbers in a word, searched from the owner's word on until one with an empty place; 0 is empty
/// </code>
/// <list type="bullet">
/// <item>I1. <c>_owners</c> has the last word: a hint whose port leads to another owner says
/// nothing, and its place is anybody's.</item>
/// <item>I2. A place of a word never becomes empty again, so a search may stop at an empty
/// one.</item>
/// <item>I3. A port remembers one owner, and an owner one port: remembering another one forgets the
/// first. Of two claims of one owner that end at the same time either may stay.</item>
/// </list>
/// So the memory is bounded by the ports, however many names come and go: 8 bytes and a name for
/// each, and 256 KiB of hints. It is a memory, not a right: the table decides who gets a port.
/// While an owner has a cell, that knows its last port (<see cref="OwnerCell.LastPort"/>), and is
/// asked first; this is written when the cell is retired, before it dies. Read by acquisitions,
/// never by lookups. Progress: Recall and IsLast are wait-free (at most <see cref="MaxWords"/>
/// words), Remember and Displace are lock-free.
/// </remarks>
internal sealed class LastPorts(PortProtocol protocol)
{
    /// <summary>How far a port may lie from the word of its owner. Half of all places are taken
    /// when every port remembers somebody; should all of these be, the owner is not
    /// remembered.</summary>
    private const int MaxWords = 8;

    private const int Lanes = 4, LaneBits = 16, Words = 2 * 65_536 / Lanes, ChunkShift = 10, ChunkSize = 1 << ChunkShift;

    private readonly OwnerCell?[]?[] _owners = new OwnerCell?[]?[65_536 / ChunkSize];
    private readonly ulong[]?[] _hints = new ulong[]?[Words / ChunkSize];

    /// <summary>The port an owner had last, or 0.</summary>
    public int Recall(ReadOnlySpan<char> owner, int hash)
    {
        for (int step = 0; step < MaxWords; step++)
        {
            ulong word = ReadWord(WordOf(hash, step));
            for (int lane = 0; lane < Lanes; lane++)
            {
                int port = PortIn(word, lane);
                if (port == 0)
                {
                    return 0;   // I2
                }

                if (OwnerOf(port) is { } cell && cell.Is(protocol, owner, hash))
                {
                    return port;
                }
            }
        }

        return 0;
    }

    /// <summary>Whether this is the port an owner had last: what <see cref="Recall"/> says of it,
    /// without a look at what other ports lead to.</summary>
    public bool IsLast(ReadOnlySpan<char> owner, int hash, int port)
    {
        for (int step = 0; step < MaxWords; step++)
        {
            ulong word = ReadWord(WordOf(hash, step));
            for (int lane = 0; lane < Lanes; lane++)
            {
                int other = PortIn(word, lane);
                if (other == port)
                {
                    return OwnerOf(port) is { } cell && cell.Is(protocol, owner, hash);
                }

                if (other == 0)
                {
                    return false;   // I2
                }
            }
        }

        return false;
    }

    /// <summary>A claim of this owner on this port has ended.</summary>
    public void Remember(OwnerCell owner, int port)
    {
        ref OwnerCell? place = ref PlaceOf(port);
        Hook.At(Step.RememberPort);
        if (Volatile.Read(ref place) is not { } before || !before.Is(protocol, owner.Owner, owner.Hash))
        {
            Volatile.Write(ref place, owner);   // the last one to write stays: the port was given to both
        }

        while (!TryPlaceHint(owner, port))
        {
            // Somebody else changed that word.
        }
    }

    /// <summary>A port was given to this owner, and is not to be remembered as its last one:
    /// whoever had it before has it no more.</summary>
    public void Displace(OwnerCell owner, int port)
    {
        if (OwnerOf(port) is { } before && !ReferenceEquals(before, owner) && !before.Is(protocol, owner.Owner, owner.Hash))
        {
            Forget(port, before);
        }
    }

    /// <summary>Whether another owner than one is remembered by a port.</summary>
    public bool IsAnothers(int port, string owner) => OwnerOf(port) is { } cell && cell.Owner != owner;

    private static int PortIn(ulong word, int lane) => (int)(ushort)(word >> (lane * LaneBits));

    private static int Home(int hash) => (int)((uint)hash % Words);

    private static int WordOf(int hash, int step) => (Home(hash) + step) % Words;

    /// <summary>One search for the places of an owner, and one CAS; false when the word had
    /// changed.</summary>
    private bool TryPlaceHint(OwnerCell owner, int port)
    {
        int wordAt = -1, laneAt = 0;
        ulong seen = 0;
        bool isPlaced = false, isAtEnd = false;
        for (int step = 0; step < MaxWords && !isAtEnd; step++)
        {
            int at = WordOf(owner.Hash, step);
            ulong word = Volatile.Read(ref Word(at));
            for (int lane = 0; lane < Lanes && !isAtEnd; lane++)
            {
                int other = PortIn(word, lane);
                isAtEnd = other == 0;
                isPlaced |= other == port;
                bool isAnybodys = isAtEnd || (other != port && IsAnybodys(owner, other, at));
                if (isAnybodys && wordAt < 0)
                {
                    (wordAt, laneAt, seen) = (at, lane, word);
                }
            }
        }

        if (isPlaced || wordAt < 0)
        {
            return true;
        }

        ulong next = (seen & ~((ulong)ushort.MaxValue << (laneAt * LaneBits))) | ((ulong)port << (laneAt * LaneBits));
        Hook.At(Step.PlaceHint);
        return Interlocked.CompareExchange(ref Word(wordAt), next, seen) == seen;   // publishes the hint
    }

    /// <summary>Whether the place of a port that stands in a word may be taken: nobody is found by
    /// it any more, or only this owner, who had it earlier.</summary>
    private bool IsAnybodys(OwnerCell owner, int port, int word)
    {
        if (OwnerOf(port) is not { } cell)
        {
            return true;
        }

        if (cell.Is(protocol, owner.Owner, owner.Hash))
        {
            Forget(port, cell);   // I3
            return true;
        }

        int from = (word - Home(cell.Hash) + Words) % Words;
        return from >= MaxWords;   // that owner is searched for elsewhere
    }

    private void Forget(int port, OwnerCell owner) => Interlocked.CompareExchange(ref PlaceOf(port), null, owner);   // unless it was given on meanwhile

    private OwnerCell? OwnerOf(int port)
    {
        OwnerCell?[]? chunk = Volatile.Read(ref _owners[port >> ChunkShift]);
        return chunk is null ? null : Volatile.Read(ref chunk[port & (ChunkSize - 1)]);
    }

    private ref OwnerCell? PlaceOf(int port) => ref Chunk(ref _owners[port >> ChunkShift])[port & (ChunkSize - 1)];

    /// <summary>A word of hints, without making its chunk.</summary>
    private ulong ReadWord(int at)
    {
        ulong[]? chunk = Volatile.Read(ref _hints[at >> ChunkShift]);
        Hook.At(Step.RecallPort);
        return chunk is null ? 0 : Volatile.Read(ref chunk[at & (ChunkSize - 1)]);
    }

    private ref ulong Word(int at) => ref Chunk(ref _hints[at >> ChunkShift])[at & (ChunkSize - 1)];

    private static T[] Chunk<T>(ref T[]? place) =>
        Volatile.Read(ref place) ?? Interlocked.CompareExchange(ref place, new T[ChunkSize], null) ?? place!;   // publishes the chunk; the first one stays
}
