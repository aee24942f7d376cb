namespace Portmap.Rpc.Serving;

/// <summary>Several owners that are asked for together, counted in the shares of a connection and
/// of its user until it is known what came of them.</summary>
/// <param name="connection">The share of the connection.</param>
/// <param name="user">The share of its user; null where it has none.</param>
internal sealed class SharedAsk(OwnerShare connection, OwnerShare? user) : IDisposable
{
    private readonly List<(OwnerShare Share, int Request, string Owner, PortProtocol Protocol)> _begun = [];
    private IReadOnlyList<PortLease> _leases = [];

    /// <summary>Counts the owner of a request, and a port for it.</summary>
    /// <exception cref="PortRefusedException">TooManyOwners: a limit is reached; it names the
    /// request.</exception>
    public void Begin(in PortRequest request, int number, int count)
    {
        foreach (PortProtocol protocol in SingleProtocols(request))
        {
            foreach (OwnerShare share in user is null ? [connection] : (ReadOnlySpan<OwnerShare>)[connection, user])
            {
                try
                {
                    share.Begin(request.Owner, port: 0, protocol);
                }
                catch (PortRefusedException e)
                {
                    throw Refused(e.Refusal, number, count);
                }

                _begun.Add((share, number, request.Owner, protocol));
            }
        }
    }

    /// <summary>All were granted.</summary>
    public void Grant(IReadOnlyList<PortLease> leases) => _leases = leases;

    public void Dispose()
    {
        foreach ((OwnerShare share, int request, string owner, PortProtocol protocol) in _begun)
        {
            (long epoch, int port) = _leases.Count == 0 ? (0, 0) : (_leases[request].Epoch, _leases[request].Port);
            share.End(owner, protocol, epoch, port, isLease: true);
        }
    }

    /// <summary>The refusal of one of several requests.</summary>
    public static PortRefusedException Refused(PortRefusal refusal, int number, int count) =>
        new(new PortRefusal(refusal.Reason, FormattableString.Invariant($"Request {number + 1} of {count}: {refusal.Message} Nothing was taken."))
        {
            Request = number,
            Owner = refusal.Owner,
            Protocol = refusal.Protocol,
        });

    private static PortProtocol[] SingleProtocols(in PortRequest request) => Protocol.SingleProtocols.Of(request.Protocol);
}
