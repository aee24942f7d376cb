namespace Portmap.Operations;

/// <summary>What ties a lease, and the registration that comes of it, to the claim on its owner in
/// the fleet.</summary>
/// <remarks>Safe for any thread. Once it is not held it never is again.</remarks>
#pragma warning disable CA1001 // the source has no timer and no linked token: there is nothing to dispose, and readers may hold its token for long
internal sealed class FleetBond(long epoch, Func<bool> isHeld, IAsyncDisposable claim)
#pragma warning restore CA1001
{
    private readonly CancellationTokenSource _lost = new();
    private int _isLost;

    /// <summary>The fencing epoch in the fleet.</summary>
    public long Epoch => epoch;

    /// <summary>Whether the owner is this host's, by what the fleet's part says at this
    /// moment.</summary>
    public bool IsHeld => Volatile.Read(ref _isLost) == 0 && isHeld();

    /// <summary>Cancelled when the owner was lost; not when it was given back.</summary>
    public CancellationToken Lost => _lost.Token;

    /// <summary>The owner is not ours any more.</summary>
    public void Lose()
    {
        if (Interlocked.Exchange(ref _isLost, 1) == 0)
        {
            _ = _lost.CancelAsync();   // what the host runs by the token runs on the pool, and what it throws ends there
        }
    }

    /// <summary>Gives the owner back to the fleet. Nobody waits for it, and what goes wrong is told
    /// by the fleet's part itself.</summary>
    public void GiveBack() => _ = GiveBackAsync();

    private async Task GiveBackAsync()
    {
        try
        {
            await claim.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // Not ours: the claim ends with the host's time in the fleet.
        }
    }
}
