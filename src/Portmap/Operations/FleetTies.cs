namespace Portmap.Operations;

/// <summary>A bond, and the lease it is for once that is granted.</summary>
internal sealed class FleetTie(string owner, FleetBond bond)
{
    private ILease? _lease;

    public string Owner => owner;

    public FleetBond Bond => bond;

    /// <summary>The lease; null until it is granted.</summary>
    public ILease? Lease
    {
        get => Volatile.Read(ref _lease);
        set => Volatile.Write(ref _lease, value);
    }
}

/// <summary>Ties by owner.</summary>
/// <remarks>
/// <code>
///   buckets[hash of the owner] ──► array of ties, never changed: a change puts another one in its place by CAS
/// </code>
/// I1. An owner has at most one tie. Progress: a look is wait-free and allocates nothing, a change
/// is lock-free.
/// </remarks>
internal sealed class FleetTies
{
    private const int Buckets = 1_024;   // a power of two

    private readonly FleetTie[]?[] _buckets = new FleetTie[]?[Buckets];

    /// <summary>All of them, at about one moment.</summary>
    public IEnumerable<FleetTie> All => _buckets.SelectMany(static bucket => bucket ?? []);

    public FleetTie? Find(ReadOnlySpan<char> owner)
    {
        foreach (FleetTie tie in Volatile.Read(ref BucketOf(owner)) ?? [])
        {
            if (owner.SequenceEqual(tie.Owner))
            {
                return tie;
            }
        }

        return null;
    }

    /// <summary>Puts one there, in place of that of the same owner.</summary>
    public void Put(FleetTie tie)
    {
        ref FleetTie[]? bucket = ref BucketOf(tie.Owner);
        FleetTie[]? seen = Volatile.Read(ref bucket);
        while (true)
        {
            FleetTie[]? before = Interlocked.CompareExchange(ref bucket, [.. (seen ?? []).Where(other => other.Owner != tie.Owner), tie], seen);
            if (ReferenceEquals(before, seen))
            {
                return;
            }

            seen = before;
        }
    }

    /// <summary>Takes one away; false when it was not there any more.</summary>
    public bool TryRemove(FleetTie tie)
    {
        ref FleetTie[]? bucket = ref BucketOf(tie.Owner);
        FleetTie[]? seen = Volatile.Read(ref bucket);
        while (seen is not null && Array.IndexOf(seen, tie) >= 0)
        {
            FleetTie[]? before = Interlocked.CompareExchange(ref bucket, seen.Length == 1 ? null : Array.FindAll(seen, other => other != tie), seen);
            if (ReferenceEquals(before, seen))
            {
                return true;
            }

            seen = before;
        }

        return false;
    }

    private ref FleetTie[]? BucketOf(ReadOnlySpan<char> owner) => ref _buckets[string.GetHashCode(owner) & (Buckets - 1)];
}
