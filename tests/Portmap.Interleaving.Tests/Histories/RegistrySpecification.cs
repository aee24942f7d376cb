namespace Portmap.Interleaving.Tests.Histories;

/// <summary>The rules of the design, one call at a time: whether a call may have had its answer in
/// a state, and the state after it. Protocols have nothing to do with each other, except that both
/// of a number may be asked for at once.</summary>
/// <remarks>A lease for both protocols is two claims, all or nothing in the end; each takes effect
/// at a moment of its own, so a history has two acquisitions (<see cref="Call.Acquisitions"/>). Of
/// one that is refused, or that somebody came between, half may have been in force for a
/// moment.</remarks>
internal sealed class RegistrySpecification(Scenario scenario)
{
    private readonly ProtocolSpecification _rules = new(scenario);

    public bool TryApply(in RegistryState state, in Call call, out RegistryState next)
    {
        ProtocolState tcp = state.Tcp, udp = state.Udp;
        switch (call.Kind)
        {
            case CallKind.Die or CallKind.Pass:
                bool both = _rules.TryApply(in tcp, in call, out ProtocolState nextTcp) & _rules.TryApply(in udp, in call, out ProtocolState nextUdp);
                next = new RegistryState(nextTcp, nextUdp);
                return both;
            case CallKind.AcquireBoth:
                Call half = call with { Kind = CallKind.Acquire, Reason = PortRefusalReason.StoreFailed };
                _rules.TryApply(in tcp, in half, out tcp);
                _rules.TryApply(in udp, in half, out udp);
                next = new RegistryState(tcp, udp);
                return MayRefuseBoth(state.Tcp, state.Udp, in call);
            default:
                ProtocolState own = state[call.Protocol];
                bool applies = _rules.TryApply(in own, in call, out ProtocolState nextHalf);
                next = state.With(call.Protocol, nextHalf);
                return applies;
        }
    }

    private bool MayRefuseBoth(ProtocolState tcp, ProtocolState udp, in Call call)
    {
        int free = 0;
        for (int port = 1; port <= scenario.Ports; port++)
        {
            free += tcp.IsSurelyFree(port) && udp.IsSurelyFree(port) ? 1 : 0;
        }

        return call.Reason switch
        {
            PortRefusalReason.AlreadyReserved => tcp[call.Owner].HasLease || udp[call.Owner].HasLease || call.MeetsBoth,
            PortRefusalReason.Exhausted => scenario.KeepsOne || scenario.StoreFails || free <= call.Rivals,
            PortRefusalReason.StoreFailed => scenario.StoreFails,
            _ => false,
        };
    }
}
