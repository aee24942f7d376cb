namespace Portmap.Etcd.Leasing;

/// <summary>One lease of this host, from its grant to its end.</summary>
/// <remarks>Safe for any thread. It ends when etcd says so, or the host stops. Meanwhile it may
/// lapse: nobody knows whether etcd still has it.</remarks>
#pragma warning disable CA1001 // the source has no timer and no linked token: there is nothing to dispose, and readers may hold its token for long
internal sealed class LeaseTerm(long id, TimeSpan ttl, Lifetime lifetime)
#pragma warning restore CA1001
{
    private readonly CancellationTokenSource _end = new();
    private Lifetime _lifetime = lifetime;
    private long _hostRevision;

    public long Id { get; } = id;

    public TimeSpan Ttl { get; } = ttl;

    /// <summary>Cancelled when the lease is gone.</summary>
    public CancellationToken Ended => _end.Token;

    /// <summary>How long it is held for sure.</summary>
    public TimeSpan Left => Volatile.Read(ref _lifetime).Left;

    /// <summary>The revision that wrote the host's sign of life last: the fence before all that is
    /// published. See <see cref="HostLease.ClaimHostAsync"/>.</summary>
    public long HostRevision
    {
        get => Volatile.Read(ref _hostRevision);
        set => Volatile.Write(ref _hostRevision, value);
    }

    public void Renew(Lifetime lifetime) => Volatile.Write(ref _lifetime, lifetime);

    public void End() => _end.Cancel();
}
