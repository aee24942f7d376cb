using Portmap.Table;

namespace Portmap.Operations;

/// <summary>What few leases need: replaced whole, by a CAS of the lease's reference to it.</summary>
/// <param name="Twin">The claim of the second protocol, or null.</param>
/// <param name="Tried">The ports that could not be bound, with the epochs they were given
/// under.</param>
/// <param name="Acquirer">The session that acquired; null is the host.</param>
/// <param name="UserId">Whom it is for.</param>
internal sealed record RareLeaseFacts(PortClaim? Twin, (int Port, long Epoch)[] Tried, SessionHolder? Acquirer, uint? UserId)
{
    private static RareLeaseFacts Nothing { get; } = new(null, [], null, null);

    public static void AddTried(ref RareLeaseFacts? facts, int port, long epoch)
    {
        RareLeaseFacts? known = Volatile.Read(ref facts);
        while (epoch == 0 || known is null || !Array.Exists(known.Tried, tried => tried.Epoch == epoch))
        {
            Hook.At(Step.AddTried);
            RareLeaseFacts? seen = Interlocked.CompareExchange(ref facts, (known ?? Nothing) with { Tried = [.. known?.Tried ?? [], (port, epoch)] }, known);
            if (ReferenceEquals(seen, known))
            {
                return;
            }

            known = seen;
        }
    }

    public static void SetTwin(ref RareLeaseFacts? facts, PortClaim? twin)
    {
        RareLeaseFacts? known = Volatile.Read(ref facts);
        while (!ReferenceEquals(known?.Twin, twin))
        {
            Hook.At(Step.SetTwin);
            RareLeaseFacts? seen = Interlocked.CompareExchange(ref facts, (known ?? Nothing) with { Twin = twin }, known);
            known = ReferenceEquals(seen, known) ? Volatile.Read(ref facts) : seen;
        }
    }
}
