using System.Runtime.CompilerServices;

namespace Portmap.Table;

// How buckets are read, replaced and moved to a table of twice the size.
internal sealed partial class OwnerIndex
{
    private static ReadOnlySpan<OwnerCell> CellsOf(ref object? bucket)
    {
        if (bucket is Frozen frozen)
        {
            bucket = frozen.Bucket;
        }

        return bucket switch
        {
            null => default,
            OwnerCell[] several => several,
            _ => new ReadOnlySpan<OwnerCell>(ref Unsafe.As<object?, OwnerCell>(ref bucket)!),
        };
    }

    /// <summary>The bucket without its dead cells, but for remembered ones, and with one more;
    /// null, a cell, or a fresh array.</summary>
    private object? Living(ref object? bucket, OwnerCell? added, int bit = 0, int side = 0, bool keepsRemembered = true)
    {
        if (bucket is null)
        {
            return added;
        }

        ReadOnlySpan<OwnerCell> cells = CellsOf(ref bucket);
        int count = added is null ? 0 : 1;
        foreach (OwnerCell cell in cells)
        {
            count += Stays(cell, added, keepsRemembered) && (cell.Hash & bit) == side ? 1 : 0;
        }

        OwnerCell? one = added;
        OwnerCell[]? several = count > 1 ? new OwnerCell[count] : null;
        int next = 0;
        if (several is not null && added is not null)
        {
            several[next++] = added;
        }

        foreach (OwnerCell cell in cells)
        {
            if ((cell.Hash & bit) != side || next == count || !Stays(cell, added, keepsRemembered))
            {
                continue;   // a cell that died since it was counted may be taken along; it stays dead
            }

            if (several is null)
            {
                one ??= cell;
            }
            else
            {
                several[next++] = cell;
            }
        }

        return several is null ? one : next == count ? several : several[..next];
    }

    private bool Stays(OwnerCell cell, OwnerCell? added, bool keepsRemembered) =>
        !cell.IsDead
        || (keepsRemembered && cell.Last is { } last && _isRemembered(last) && added?.Is(cell.Protocol, cell.Owner, cell.Hash) != true);

    /// <summary>Makes a table of twice the size current; helps whoever is at it (I3).</summary>
    private void Grow(Buckets old)
    {
        Buckets? grown = Volatile.Read(ref old.Grown);
        if (grown is null)
        {
            grown = new Buckets(old.Heads.Length * 2);
            Hook.At(Step.MakeGrown);
            grown = Interlocked.CompareExchange(ref old.Grown, grown, null) ?? grown;   // all who help fill the same table
        }

        for (int i = 0; i < old.Heads.Length; i++)
        {
            object? bucket = Freeze(ref old.Heads[i].Bucket);
            if (!ReferenceEquals(Volatile.Read(ref _current), old))
            {
                return;   // it is current already, and its buckets belong to those who add to it
            }

            // Only the first one to fill a bucket succeeds: nobody adds to the table before it is
            // current, so null means not filled.
            int bit = old.Heads.Length;
            Hook.At(Step.FillBucket);
            Interlocked.CompareExchange(ref grown.Heads[i].Bucket, Living(ref bucket, added: null, bit, 0) ?? Buckets.Empty, null);
            Hook.At(Step.FillBucket);
            Interlocked.CompareExchange(ref grown.Heads[i + bit].Bucket, Living(ref bucket, added: null, bit, bit) ?? Buckets.Empty, null);
        }

        Hook.At(Step.PublishGrown);
        Interlocked.CompareExchange(ref _current, grown, old);   // publishes the filled table
    }

    private static object? Freeze(ref object? head)
    {
        while (true)
        {
            object? bucket = Volatile.Read(ref head);
            if (bucket is Frozen frozen)
            {
                return frozen.Bucket;
            }

            Hook.At(Step.FreezeBucket);
            if (ReferenceEquals(Interlocked.CompareExchange(ref head, new Frozen(bucket), bucket), bucket))
            {
                return bucket;
            }
        }
    }

    /// <summary>A struct, because a reference into an array of objects costs a check of the array's
    /// type at each look.</summary>
    private struct Head
    {
        public object? Bucket;
    }

    private sealed class Buckets(int size)
    {
        /// <summary>A bucket of a grown table that was filled with nothing.</summary>
        public static readonly object Empty = Array.Empty<OwnerCell>();

        public readonly Head[] Heads = new Head[size];

        /// <summary>The table of twice the size, once somebody grows this one.</summary>
        public Buckets? Grown;

        public ref object? BucketOf(int hash) => ref Heads[hash & (Heads.Length - 1)].Bucket;
    }

    private sealed class Frozen(object? bucket)
    {
        public object? Bucket { get; } = bucket;
    }
}
