namespace Portmap.Interleaving.Tests.Histories;

/// <summary>What a scenario is played on: the registry, or one of the broken tables under
/// Controls.</summary>
internal interface IPlayed : IDisposable
{
    /// <summary>Makes a call and fills in its answer; null when there is nothing to call, no lease
    /// to be released yet.</summary>
    Call? Do(Call call);

    /// <summary>The call that ended a lease on its way: Expire, Take, EndHalf, or null for any
    /// other ending.</summary>
    CallKind? EndOf(PortProtocol protocol, long leaseEpoch);

    /// <summary>Complains about the first way in which the two ways to look disagree; nothing runs
    /// meanwhile.</summary>
    string? Disagreement();

    /// <summary>Complains when all is over and a port is held by nobody and cannot be acquired, or
    /// an invariant does not hold.</summary>
    string? Leak();
}
