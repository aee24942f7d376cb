using System.Collections;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Portmap.Table;

/// <summary>A set of ports of one range that finds its next member in O(1).</summary>
/// <remarks>
/// <code>
///   summary  ┌─ one bit per word: 1 = the word may hold a bit ─┐        65,536 ports: 16 summary words
///   words    ┌─ one bit per port, 64 to a word ────────────────┐        and 1,024 words
/// </code>
/// A hint and never an authority: the bit of a port stays while the port is held (the slot
/// decides), so that one which comes back soon costs no write; it is set again after a claim has
/// ended, if somebody took it off (<see cref="PortLookup.TakeOff"/>).
/// <list type="bullet">
/// <item>I1. A bit is cleared by an atomic step, and only one thread sees itself clear it: the one
/// that found the port no good, and then looks at it again or moves it to where it waits.</item>
/// <item>I2. A summary bit may be set over an empty word, never clear over a non-empty one for
/// ever: who clears it looks at the word again afterwards, and who sets a bit in a word sets the
/// summary bit afterwards.</item>
/// </list>
/// Progress: TryTake and Find are lock-free and bounded by the number of words, Add is wait-free.
/// </remarks>
internal sealed class FreePorts
{
    private readonly int _first;
    private readonly ulong[] _words;
    private readonly ulong[] _summary;

    public FreePorts(PortRange range)
    {
        _first = range.First;
        Count = range.Count;
        _words = new ulong[(range.Count + 63) / 64];
        _summary = new ulong[(_words.Length + 63) / 64];
    }

    /// <summary>How many ports the range holds.</summary>
    public int Count { get; }

    /// <summary>How many bits are set; exact when nothing else runs.</summary>
    public int EstimatedCount
    {
        get
        {
            int sum = 0;
            for (int i = 0; i < _words.Length; i++)
            {
                sum += BitOperations.PopCount(Volatile.Read(ref _words[i]));
            }

            return sum;
        }
    }

    /// <summary>Whether it has a member; exact when nothing else runs.</summary>
    public bool HasAny => NextMarkedWord(0) >= 0;

    /// <summary>Fills a new set, before anybody else knows of it.</summary>
    /// <param name="excluded">A bit for each of 65,536 ports that are left out.</param>
    public void Fill(BitArray excluded)
    {
        int[] words = new int[(excluded.Length / 32) + 2];
        excluded.CopyTo(words, 0);
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(words.AsSpan());
        for (int word = 0; word < _words.Length; word++)
        {
            int from = _first + (word * 64), count = Math.Min(Count - (word * 64), 64);
            ulong left = MemoryMarshal.Read<ulong>(bytes[(from >> 3)..]) >> (from & 7);
            left |= (from & 7) == 0 ? 0 : (ulong)bytes[(from >> 3) + sizeof(ulong)] << (64 - (from & 7));
            _words[word] = ~left & (ulong.MaxValue >> (64 - count));
            _summary[word >> 6] |= _words[word] == 0 ? 0 : 1UL << word;
        }
    }

    public bool Contains(int port)
    {
        int index = port - _first;
        Hook.At(Step.ReadBits);
        return (uint)index < (uint)Count && (Volatile.Read(ref _words[index >> 6]) & (1UL << index)) != 0;
    }

    /// <summary>Whether a port is in, and found there: <see cref="Add"/> would do nothing.</summary>
    public bool IsFound(int port)
    {
        int index = port - _first, word = index >> 6;
        return (uint)index < (uint)Count
            && (Volatile.Read(ref _words[word]) & (1UL << index)) != 0
            && (Volatile.Read(ref _summary[word >> 6]) & (1UL << word)) != 0;
    }

    /// <summary>Adds a port; one outside the range is ignored.</summary>
    public void Add(int port)
    {
        int index = port - _first;
        if ((uint)index >= (uint)Count)
        {
            return;
        }

        int word = index >> 6;
        ulong bit = 1UL << index;
        if ((Volatile.Read(ref _words[word]) & bit) == 0)
        {
            Hook.At(Step.SetBit);
            Interlocked.Or(ref _words[word], bit);
        }

        MarkSummary(word);
    }

    /// <summary>Takes a port out; false when it was not in, or another thread took it
    /// first.</summary>
    public bool TryTake(int port)
    {
        int index = port - _first;
        if ((uint)index >= (uint)Count)
        {
            return false;
        }

        int word = index >> 6;
        ulong bit = 1UL << index;
        Hook.At(Step.ClearBit);
        ulong before = Interlocked.And(ref _words[word], ~bit);   // I1: of two that clear it only one sees it set
        if ((before & bit) == 0)
        {
            return false;
        }

        if (before == bit)
        {
            ClearSummary(word);
        }

        return true;
    }

    /// <summary>The first member from one port to another, both included, or 0. A hint.</summary>
    public int Find(int from, int to)
    {
        int index = Math.Max(from - _first, 0), last = Math.Min(to - _first, Count - 1);
        while (index <= last)
        {
            int word = index >> 6;
            Hook.At(Step.ReadBits);
            ulong bits = Volatile.Read(ref _words[word]) & (ulong.MaxValue << index);
            if (bits != 0)
            {
                int found = (word << 6) + BitOperations.TrailingZeroCount(bits);
                return found <= last ? found + _first : 0;
            }

            int next = NextMarkedWord(word + 1);
            if (next < 0)
            {
                return 0;
            }

            index = next << 6;
        }

        return 0;
    }

    /// <summary>64 ports from one on, a bit for each that is in: where several in a row are looked
    /// for. A hint.</summary>
    public ulong Window(int from)
    {
        int index = from - _first, word = index >> 6, shift = index & 63;
        Hook.At(Step.ReadBits);
        ulong low = Bits(word) >> shift;
        return shift == 0 ? low : low | (Bits(word + 1) << (64 - shift));
    }

    private ulong Bits(int word) => (uint)word < (uint)_words.Length ? Volatile.Read(ref _words[word]) : 0;

    /// <summary>Takes all members out and hands each to an action. Members that are added meanwhile
    /// may stay.</summary>
    public void Drain(Action<int> action)
    {
        for (int word = NextMarkedWord(0); word >= 0; word = NextMarkedWord(word + 1))
        {
            Hook.At(Step.DrainBits);
            ulong bits = Interlocked.Exchange(ref _words[word], 0);
            ClearSummary(word);
            for (; bits != 0; bits &= bits - 1)
            {
                action((word << 6) + BitOperations.TrailingZeroCount(bits) + _first);
            }
        }
    }

    private int NextMarkedWord(int from)
    {
        for (int i = from >> 6; i < _summary.Length; i++)
        {
            Hook.At(Step.ReadSummary);
            ulong marked = Volatile.Read(ref _summary[i]);
            if (i == from >> 6)
            {
                marked &= ulong.MaxValue << from;
            }

            if (marked != 0)
            {
                return (i << 6) + BitOperations.TrailingZeroCount(marked);
            }
        }

        return -1;
    }

    private void MarkSummary(int word)
    {
        ulong mark = 1UL << word;
        if ((Volatile.Read(ref _summary[word >> 6]) & mark) == 0)
        {
            Hook.At(Step.MarkSummary);
            Interlocked.Or(ref _summary[word >> 6], mark);
        }
    }

    private void ClearSummary(int word)
    {
        Hook.At(Step.ClearSummary);
        Interlocked.And(ref _summary[word >> 6], ~(1UL << word));
        Hook.At(Step.LookAgain);
        if (Volatile.Read(ref _words[word]) != 0)
        {
            MarkSummary(word);   // I2: somebody added between the And on the word and the And on the summary
        }
    }
}
