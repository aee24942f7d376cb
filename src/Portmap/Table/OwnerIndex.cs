using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Portmap.Table;

/// <summary>Leads from (protocol, owner) to the owner's cell: a hash table whose buckets are lists that grow at the head only.</summary>
/// <remarks>
/// <code>
///   _heads[hash &amp; mask] ──► cell (newest) ──Next──► cell ──Next──► …        8 bytes a bucket, at least as many buckets as owners may live
/// </code>
/// The table never grows: it has the size that the bound on owners needs (512 KiB for 65,536), which spares readers every thought of a move.
/// <list type="bullet">
/// <item>I1. A cell enters only by the CAS of the head it was linked to, after the whole list was seen to hold no living cell of that name. So an
/// owner has at most one living cell: whoever came between changed the head.</item>
/// <item>I2. A link changes only to skip cells that are dead. Two that unlink at once may leave a dead cell in, never leave a living one out:
/// a link never goes backwards, and what it skips was dead.</item>
/// <item>I3. Dead cells are unlinked by whoever killed them and by every insertion into their bucket.</item>
/// </list>
/// The insertion at the head only is what makes the unmarked links of I2 safe; lists with insertions in the middle need Harris's marks
/// (T. Harris, A Pragmatic Implementation of Non-Blocking Linked-Lists, DISC 2001).
/// Progress: Find is wait-free (at most <see cref="MaxProbes"/> living cells), insertion is lock-free.
/// </remarks>
internal sealed class OwnerIndex
{
    /// <summary>No look-up passes more living cells; an owner whose bucket is that full is refused.</summary>
    public const int MaxProbes = 64;

    private readonly OwnerCell?[] _heads;
    private readonly OwnerCredits _credits;
    private readonly ulong _seed;

    public OwnerIndex(int maxOwners, int processors, ulong seed)
    {
        _heads = new OwnerCell?[BitOperations.RoundUpToPowerOf2((uint)maxOwners)];
        _credits = new OwnerCredits(maxOwners, processors);
        _seed = seed | 1;
    }

    public enum Insertion
    {
        Inserted,

        /// <summary>Lost the race: somebody changed the bucket, or the owner has a living cell.</summary>
        Raced,

        /// <summary>The bound on owners, or on owners of one bucket, is reached.</summary>
        Full,
    }

    public int MaxOwners => _credits.Maximum;

    public int EstimatedCount => _credits.Maximum - _credits.EstimatedFree;

    public OwnerCell? Find(PortProtocol protocol, ReadOnlySpan<char> owner) => Find(protocol, owner, Hash(protocol, owner));

    public OwnerCell? Find(PortProtocol protocol, ReadOnlySpan<char> owner, int hash)
    {
        OwnerCell?[] heads = _heads;
        for (OwnerCell? cell = Volatile.Read(ref heads[hash & (heads.Length - 1)]); cell is not null; cell = cell.Next)
        {
            if (cell.Hash == hash && cell.Protocol == protocol && owner.SequenceEqual(cell.Owner) && !cell.IsDead)
            {
                return cell;
            }
        }

        return null;
    }

    /// <summary>Adds a cell whose <see cref="OwnerCell.Top"/> is a pending claim. The CAS publishes both.</summary>
    public Insertion TryInsert(OwnerCell cell)
    {
        ref OwnerCell? head = ref _heads[cell.Hash & (_heads.Length - 1)];
        Unlink(cell.Hash);
        OwnerCell? first = Volatile.Read(ref head);
        int living = 0;
        for (OwnerCell? other = first; other is not null; other = other.Next)
        {
            if (other.IsDead)
            {
                continue;
            }

            living++;
            if (other.Hash == cell.Hash && other.Protocol == cell.Protocol && other.Owner == cell.Owner)
            {
                return Insertion.Raced;
            }
        }

        if (living >= MaxProbes || !_credits.TryTake())
        {
            return Insertion.Full;
        }

        cell.Next = first;
        if (ReferenceEquals(Interlocked.CompareExchange(ref head, cell, first), first))
        {
            return Insertion.Inserted;
        }

        _credits.Return();
        return Insertion.Raced;
    }

    /// <summary>Retires a cell none of whose claims matters any more; does nothing when one does or somebody pushed meanwhile.</summary>
    public void Retire(OwnerCell cell)
    {
        PortClaim top = cell.Top;
        if (ReferenceEquals(top, PortClaim.Dead) || cell.HasLiveClaim())
        {
            return;
        }

        // After this CAS nobody can push; one that pushed since the look above made it fail.
        if (cell.TryPush(top, PortClaim.Dead))
        {
            _credits.Return();
            Unlink(cell.Hash);
        }
    }

    public int Hash(PortProtocol protocol, ReadOnlySpan<char> owner)
    {
        // Names come from the wire, so the hash is seeded per registry; a multiply-and-fold over 8 bytes at a time
        // (the mixing step of wyhash by Wang Yi) costs a third of string.GetHashCode.
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(owner);
        ulong hash = _seed ^ (ulong)protocol ^ ((ulong)bytes.Length << 32);
        while (bytes.Length >= 8)
        {
            hash = Fold(hash ^ MemoryMarshal.Read<ulong>(bytes), 0x9E3779B97F4A7C15);
            bytes = bytes[8..];
        }

        ulong tail = 0;
        if (bytes.Length >= 4)
        {
            tail = MemoryMarshal.Read<uint>(bytes) | ((ulong)MemoryMarshal.Read<ushort>(bytes[^2..]) << 32);
        }
        else if (bytes.Length == 2)
        {
            tail = MemoryMarshal.Read<ushort>(bytes);
        }

        return (int)Fold(hash ^ tail, _seed ^ 0xA0761D6478BD642F);
    }

    /// <summary>All living cells, each met at most once; one that is added or dies meanwhile may be missing.</summary>
    public IEnumerable<OwnerCell> Cells()
    {
        for (int i = 0; i < _heads.Length; i++)
        {
            for (OwnerCell? cell = Volatile.Read(ref _heads[i]); cell is not null; cell = cell.Next)
            {
                if (!cell.IsDead)
                {
                    yield return cell;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Fold(ulong a, ulong b)
    {
        ulong high = Math.BigMul(a, b, out ulong low);
        return high ^ low;
    }

    private void Unlink(int hash)
    {
        ref OwnerCell? head = ref _heads[hash & (_heads.Length - 1)];
        for (OwnerCell? first = Volatile.Read(ref head); first is not null && first.IsDead; first = Volatile.Read(ref head))
        {
            // Fails when somebody inserted before it or unlinked it; either way the next turn sees the new head.
            Interlocked.CompareExchange(ref head, first.Next, first);
        }

        for (OwnerCell? cell = Volatile.Read(ref head); cell is not null; cell = cell.Next)
        {
            OwnerCell? next = cell.Next;
            while (next is not null && next.IsDead)
            {
                next = next.Next;
            }

            if (!ReferenceEquals(next, cell.Next))
            {
                cell.Next = next;   // I2
            }
        }
    }
}
