using System.Numerics;

namespace Portmap.Table;

/// <summary>Leads from (protocol, owner) to the owner's cell: a hash table whose buckets are
/// replaced whole.</summary>
/// <remarks>
/// <code>
///   _buckets[hash &amp; mask]:  null            no owner
///                           OwnerCell       one
///                           OwnerCell[]     several (never changed after it was published)
///                           Frozen          what was here when the table grew; nothing is added any more
/// </code>
/// <list type="bullet">
/// <item>I1. A cell enters by the CAS of its bucket, after the bucket was seen to hold no living
/// cell of that name. So an owner has at most one living cell: whoever came between changed the
/// bucket.</item>
/// <item>I2. A bucket is never written but by CAS from what was read, and each value is or holds a
/// fresh object, so a cell that lives is never lost; dead ones are left out by whoever writes next,
/// but for those that are remembered: as long as nobody else has had the port of their last
/// registration. Slots lead to those as well, so there are no more of them than ports; to unlink
/// one would cost each release a second CAS of the bucket. The next cell of the name takes over
/// what the dead one remembers.</item>
/// <item>I3. To grow, every bucket is frozen and its living cells are put into the two buckets of
/// the table of twice the size; then that table becomes the current one. Whoever wants to add
/// meanwhile does the same work and does not wait; each step is a CAS that succeeds once.</item>
/// <item>I4. A cell whose claims have all ended is idle: it lives on, with its credit and its
/// place, for the next claim of its owner, which then takes one CAS. It is retired by whoever needs
/// its credit or its place, and by each pass (<see cref="IdleNote"/>).</item>
/// <item>I5. A cell dies only after its mark was raised to its newest epoch, and one enters only
/// with an epoch above its mark, looked at after its bucket and who of it is dead: one that was in
/// the bucket lives and is met, or has raised the mark before; one that came later changed the
/// bucket. So of two cells of one owner the later has the higher epochs. Names share marks: a mark
/// may be too high, never too low.</item>
/// </list>
/// Linearization: Find: a reader in a table that was frozen meanwhile answers as of the moment it
/// read which table is current; a name it then misses was not in it, or its cell has died since.
/// TryInsert: the CAS of the bucket. A cell is gone when its Top is Dead, wherever it still lies.
/// Progress: Find is wait-free (one bucket, at most <see cref="MaxProbes"/> cells), TryInsert and
/// Retire are lock-free.
/// </remarks>
internal sealed partial class OwnerIndex
{
    /// <summary>No lookup passes more cells; an owner whose bucket is that full is
    /// refused.</summary>
    public const int MaxProbes = 64;

    // A third full at most: five of six owners then have their bucket for themselves, and a lookup
    // is seldom surprised by an array.
    private const int FirstSize = 4_096, BucketsPerOwner = 3;

    // Up to here the table grows for idle cells as well; from here on they make room first.
    private const int SizeForIdle = 65_536;

    /// <summary>With more cells in one bucket, dead ones included, the table grows.</summary>
    private const int Crowd = 8;

    private readonly OwnerCredits _credits;
    private readonly OwnerHash _hash;
    private readonly IdleNote _idle = new();
    private readonly int _maxSize;
    private readonly Func<PortClaim, bool> _isRemembered;
    private readonly Action<OwnerCell> _remember;
    private Buckets _current;

    /// <param name="maxOwners">The bound on living owners.</param>
    /// <param name="processors">How many threads add at once.</param>
    /// <param name="seed">Of the hash.</param>
    /// <param name="isRemembered">Whether the dead cell with this last registration stays; null:
    /// none does.</param>
    /// <param name="remember">Called before a cell dies.</param>
    public OwnerIndex(int maxOwners, int processors, ulong seed, Func<PortClaim, bool>? isRemembered = null, Action<OwnerCell>? remember = null)
    {
        _remember = remember ?? (static _ => { });
        _isRemembered = isRemembered ?? (static _ => false);
        _maxSize = (int)BitOperations.RoundUpToPowerOf2((uint)maxOwners * BucketsPerOwner);
        _current = new Buckets(Math.Min(FirstSize, _maxSize));
        _credits = new OwnerCredits(maxOwners, processors);
        _hash = new OwnerHash(seed);
    }

    /// <summary>Makes room for so many owners at once, before anybody else knows of this
    /// index.</summary>
    public void MakeRoom(int owners)
    {
        int size = (int)Math.Min(BitOperations.RoundUpToPowerOf2((uint)Math.Min(owners, MaxOwners) * BucketsPerOwner), (uint)_maxSize);
        _current = size > _current.Heads.Length ? new Buckets(size) : _current;
    }

    /// <summary>The epochs that owners left when they went.</summary>
    public EpochMarks Marks { get; } = new();

    public int MaxOwners => _credits.Maximum;

    public int EstimatedCount => _credits.Maximum - _credits.EstimatedFree;

    public OwnerCell? Find(PortProtocol protocol, ReadOnlySpan<char> owner) => Find(protocol, owner, Hash(protocol, owner));

    /// <summary>The living cell of an owner.</summary>
    public OwnerCell? Find(PortProtocol protocol, ReadOnlySpan<char> owner, int hash) =>
        FindAny(protocol, owner, hash) is { IsDead: false } cell ? cell : null;

    /// <summary>As <see cref="Find(PortProtocol, ReadOnlySpan{char})"/>, dead or alive: a bucket
    /// never holds two cells of one name, and a dead one serves nothing.</summary>
    public OwnerCell? FindAny(PortProtocol protocol, ReadOnlySpan<char> owner, int hash)
    {
        Hook.At(Step.ReadTable);
        Head[] heads = Volatile.Read(ref _current).Heads;   // pairs with the CAS that makes a grown table current
        Hook.At(Step.ReadBucket);
        object? bucket = Volatile.Read(ref heads[hash & (heads.Length - 1)].Bucket);
        if (bucket is OwnerCell only)
        {
            return only.Is(protocol, owner, hash) ? only : null;
        }

        if (bucket is not null)
        {
            foreach (OwnerCell cell in CellsOf(ref bucket))
            {
                if (cell.Is(protocol, owner, hash))
                {
                    return cell;
                }
            }
        }

        return null;
    }

    /// <summary>Adds a cell whose <see cref="OwnerCell.Top"/> is a pending claim. The CAS publishes
    /// both.</summary>
    public OwnerInsertion TryInsert(OwnerCell cell)
    {
        Hook.At(Step.ReadTable);
        Buckets current = Volatile.Read(ref _current);
        ref object? head = ref current.BucketOf(cell.Hash);
        Hook.At(Step.ReadBucket);
        object? bucket = Volatile.Read(ref head);
        if (bucket is Frozen)
        {
            Grow(current);
            return OwnerInsertion.Raced;
        }

        int living = 0, cells = 0;
        foreach (OwnerCell other in CellsOf(ref bucket))
        {
            cells += Stays(other, cell, keepsRemembered: true) ? 1 : 0;
            if (other.IsDead)
            {
                if (other.Last is { } last && other.Is(cell.Protocol, cell.Owner, cell.Hash))
                {
                    cell.Remember(last);
                }
            }
            else
            {
                if (other.Is(cell.Protocol, cell.Owner, cell.Hash))
                {
                    return OwnerInsertion.Raced;
                }

                living++;
            }
        }

        // After the look at who is dead: whoever died raised the mark before (I5).
        if (cell.Top.Epoch < Marks.Of(cell.Hash))
        {
            return OwnerInsertion.Outrun;
        }

        if (current.Heads.Length < _maxSize && (cells > Crowd || (living > 0 && IsFull(current))))
        {
            // A walk that leaves more than three quarters does grow it, so that the next one is
            // far.
            if (current.Heads.Length < SizeForIdle || !TryRetireIdle() || EstimatedCount * 4 * BucketsPerOwner > current.Heads.Length * 3)
            {
                Grow(current);
            }

            return OwnerInsertion.Raced;
        }

        if (living >= MaxProbes)
        {
            return Array.Exists(CellsOf(ref bucket).ToArray(), Retire) ? OwnerInsertion.Raced : OwnerInsertion.Full;
        }

        if (!TryTakeCredit())
        {
            return OwnerInsertion.Full;
        }

        object? joined = Living(ref bucket, cell, keepsRemembered: cells < MaxProbes);
        Hook.At(Step.InsertCell);
        if (ReferenceEquals(Interlocked.CompareExchange(ref head, joined, bucket), bucket))
        {
            return OwnerInsertion.Inserted;
        }

        _credits.Return();
        return OwnerInsertion.Raced;
    }

    /// <summary>Notes that a claim has ended, after which its cell may be idle.</summary>
    public void NoteIdle() => _idle.Note();

    /// <summary>Retires all cells that are idle; false when no claim has ended since the last
    /// walk.</summary>
    public bool TryRetireIdle()
    {
        if (!_idle.TryBegin())
        {
            return false;
        }

        RetireIdle();
        _idle.End();
        return true;
    }

    /// <summary>Retires all cells that are idle.</summary>
    public void RetireIdle()
    {
        foreach (OwnerCell cell in Cells())
        {
            Retire(cell);
        }
    }

    /// <summary>Retires a cell none of whose claims matters any more; does nothing when one does or
    /// somebody pushed meanwhile. Whoever next adds to its bucket leaves it out.</summary>
    /// <returns>Whether this call did.</returns>
    public bool Retire(OwnerCell cell)
    {
        PortClaim top = cell.Top;
        if (ReferenceEquals(top, PortClaim.Dead) || cell.Matters())
        {
            return false;
        }

        _remember(cell);   // before it is dead, so that at any time one of the two knows the owner's last port
        Marks.Raise(cell.Hash, top.Epoch);   // before it is dead: whoever makes the next one sees it (I5)

        if (!cell.TryDie(top))
        {
            return false;   // somebody pushed since the look above
        }

        _credits.Return();
        return true;
    }

    private bool IsFull(Buckets current) => EstimatedCount * BucketsPerOwner > current.Heads.Length;

    /// <summary>Takes a credit, if need be that of an idle cell.</summary>
    private bool TryTakeCredit()
    {
        bool isTaken = _credits.TryTake();
        if (!isTaken && _idle.IsWalkUnderWay)
        {
            RetireIdle();   // it may be of a suspended thread, which has taken the note
            isTaken = _credits.TryTake();
        }

        while (!isTaken && TryRetireIdle())
        {
            isTaken = _credits.TryTake();
        }

        return isTaken;
    }

    /// <summary>The hash by which a name is looked for.</summary>
    public int Hash(PortProtocol protocol, ReadOnlySpan<char> owner) => _hash.Of(protocol, owner);

    /// <summary>All living cells, each met at most once; one that is added or dies meanwhile may be
    /// missing.</summary>
    public IEnumerable<OwnerCell> Cells()
    {
        Head[] heads = Volatile.Read(ref _current).Heads;
        for (int i = 0; i < heads.Length; i++)
        {
            Hook.At(Step.ReadBucket);
            object? bucket = Volatile.Read(ref heads[i].Bucket);
            if (bucket is OwnerCell only)
            {
                if (!only.IsDead)
                {
                    yield return only;
                }
            }
            else if (bucket is not null)
            {
                foreach (OwnerCell cell in CellsOf(ref bucket).ToArray())
                {
                    if (!cell.IsDead)
                    {
                        yield return cell;
                    }
                }
            }
        }
    }
}
