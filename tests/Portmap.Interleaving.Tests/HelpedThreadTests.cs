using Portmap.Interleaving.Tests.Histories;
using Portmap.Interleaving.Tests.Scheduling;

namespace Portmap.Interleaving.Tests;

/// <summary>What a thread asked for may be made to take effect by another one that came by, and
/// that one suspended before it tells of it: when the first returns, all of it is so all the
/// same.</summary>
public sealed class HelpedThreadTests : IDisposable
{
    private readonly Puppets _puppets = new(2);

    public void Dispose() => _puppets.Dispose();

    [Fact]
    public void Register_SomebodyElseMadeItTakeEffect_TheLeaseIsBoundWhenItReturns() => PlayAll(
        scene => scene.Here.TryRegister(new PortClaimRequest("frozen", scene.Lease.Port) { Epoch = scene.Lease.Epoch }, out _, out _),
        (scene, _) => scene.Lease.WhenBound.IsCompletedSuccessfully ? null : "WhenBound is not complete");

    [Fact]
    public void ReportBindFailure_SomebodyElseMadeItTakeEffect_TheLeaseHasTheNewPortWhenItReturns() => PlayAll(
        scene => scene.Lease.ReportBindFailure(out _),
        (scene, before) => scene.Lease.Port != before ? null : $"the lease says port {before} still");

    /// <summary>Under each schedule with two switches in which the other thread begins in the
    /// middle of the act and is stopped in the middle of its own.</summary>
    private void PlayAll(Func<FrozenScene, bool> act, Func<FrozenScene, int, string?> faultOf)
    {
        int looked = 0;
        _puppets.PlayAll(switches: 2, schedule =>
        {
            using FrozenScene scene = new();
            scene.Acquire("frozen");
            int port = scene.Lease.Port;
            string? fault = null;
            bool isDone = false;
            _puppets.Run([() => fault = (isDone = act(scene)) ? faultOf(scene, port) : null, () => scene.Registry.Acquire("frozen", out _, out _)], schedule);
            fault.Should().BeNull("of schedule {0}", schedule);
            looked += isDone ? 1 : 0;
        });
        looked.Should().BeGreaterThan(0, "otherwise nothing was looked at");
    }
}
