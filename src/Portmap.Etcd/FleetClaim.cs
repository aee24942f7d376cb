using System.Diagnostics;
using System.Globalization;
using Portmap.Diagnostics;
using Portmap.Etcd.Leasing;

namespace Portmap.Etcd;

/// <summary>The proof that this host holds an owner alone in the fleet.</summary>
/// <remarks>
/// <para>All members are safe for any thread. A claim that is lost stays lost: claim the owner
/// again.</para>
/// <para>A host that was frozen, or cut off, knows by its own clock that its time is over. What it
/// had begun before cannot be called back: whatever must not be written twice checks
/// <see cref="Epoch"/> where it is written, and refuses a lower one than it has seen.</para>
/// </remarks>
[DebuggerDisplay("{Owner,nq} epoch {Epoch} {IsHeld ? \"held\" : \"lost\",nq}")]
public sealed class FleetClaim : IAsyncDisposable
{
    private readonly CancellationTokenSource _lost = new();
    private readonly FleetOwners _owners;
    private readonly LeaseTerm _term;
    private int _isLost;

    internal FleetClaim(FleetOwners owners, LeaseTerm term, string owner, long epoch)
    {
        _owners = owners;
        _term = term;
        Owner = owner;
        Epoch = epoch;
    }

    /// <summary>The owner.</summary>
    public string Owner { get; }

    /// <summary>The fencing token: the revision of the transaction that claimed the owner. Each
    /// later holder has a higher one.</summary>
    public long Epoch { get; }

    /// <summary>Whether this host holds the owner for sure, by the clock of this moment.</summary>
    /// <value>Once false it stays false. It takes no request: it is false as soon as the time of
    /// the host's lease is over by this machine's clocks, a tenth of it before etcd gives the owner
    /// to anybody else.</value>
    public bool IsHeld
    {
        get
        {
            if (Volatile.Read(ref _isLost) != 0)
            {
                return false;
            }

            if (_term.Left > TimeSpan.Zero && !_term.Ended.IsCancellationRequested)
            {
                return true;
            }

            _owners.Lose(this);
            return false;
        }
    }

    /// <summary>Cancelled when the claim is lost or released: stop the workers of the owner
    /// then.</summary>
    public CancellationToken Lost => _lost.Token;

    internal LeaseTerm Term => _term;

    /// <summary>Whether the registry has it for what it acquired, which ends with the
    /// fleet.</summary>
    internal bool IsOfRegistry { get; init; }

    /// <summary>Hands the fencing epoch to a worker that is about to be started, as
    /// PORTMAP_FLEET_EPOCH.</summary>
    /// <param name="startInfo">The program.</param>
    /// <exception cref="ArgumentNullException"><paramref name="startInfo"/> is null.</exception>
    /// <exception cref="PortRefusedException">LeaseEnded: the claim is lost, and no worker is to be
    /// started on it.</exception>
    public void PrepareStart(ProcessStartInfo startInfo)
    {
        ArgumentNullException.ThrowIfNull(startInfo);
        if (!IsHeld)
        {
            string message = string.Create(CultureInfo.InvariantCulture, $"The claim of epoch {Epoch} on '{Owner}' is lost; claim the owner again before a worker is started.");
            throw new PortRefusedException(new PortRefusal(PortRefusalReason.LeaseEnded, Printable.Of(message)) { Owner = Owner });
        }

        startInfo.Environment[PortmapVariables.FleetEpoch] = Epoch.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Gives the owner back. Stop its workers first. Doing it twice is no error.</summary>
    /// <returns>Completes when etcd has confirmed it. When etcd cannot be reached it completes as
    /// well: the claim ends with the lease then, or as soon as etcd is back.</returns>
    public ValueTask DisposeAsync() => new(_owners.ReleaseAsync(this));

    /// <summary>Tells everybody once.</summary>
    /// <returns>False when it was lost before.</returns>
    internal bool TryLose()
    {
        if (Interlocked.Exchange(ref _isLost, 1) != 0)
        {
            return false;   // several may see at once that its time is over
        }

        // What others registered runs elsewhere, and what it throws is theirs.
        _ = _lost.CancelAsync();
        return true;
    }
}
