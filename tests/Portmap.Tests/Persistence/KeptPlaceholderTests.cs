using System.Net.Sockets;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>The placeholder of a dead process, whose owner comes back before its end is on the
/// disk.</summary>
[Collection(AloneCollection.Name)]
public sealed class KeptPlaceholderTests
{
    [Theory]
    [InlineData(PortGuardMode.WhileAlive, false)]
    [InlineData(PortGuardMode.PassSocket, false)]
    [InlineData(PortGuardMode.WhileAlive, true)]
    [InlineData(PortGuardMode.PassSocket, true)]
    public async Task Acquire_TheEndIsNotWrittenYet_WaitsAndTakesThePlaceholderOver(PortGuardMode mode, bool inRow)
    {
        PortRange range = PortBlock.Take(4);
        await using StoreScene scene = await StoreScene.OpenAsync(options =>
            (options.Ports, options.Order, options.Probe, options.Guard) = (range.ToString(), PortOrder.LowestFree, true, mode == PortGuardMode.PassSocket ? PortGuardMode.None : mode));
        PortRequest request = new("b1") { Guard = mode == PortGuardMode.PassSocket ? mode : null };
        await scene.Registry.AcquireAsync("other").Within();
        PortLease lease = await scene.Registry.AcquireAsync(request).Within();
        lease.OpenGate();
        using Socket? program = mode == PortGuardMode.PassSocket ? null : Knock.TryTake(lease.Port);
        Child child = scene.StartChild();
        await scene.Registry.OpenSession(child.Id).RegisterAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }).Within();
        program?.Dispose();
        scene.Store.Hold();
        child.Kill();

        Task<PortLease> again = inRow ? FirstOfRowAsync() : scene.Registry.AcquireAsync(request).AsTask();
        await scene.Store.ArrivedAsync().Within();
        scene.Store.Release();

        (await again.Within()).Port.Should().Be(lease.Port);
        scene.Registry.Guard.Count.Should().BeGreaterThan(0);

        async Task<PortLease> FirstOfRowAsync() => (await scene.Registry.AcquireAllAsync([request, new PortRequest("b2")], contiguous: true))[0];
    }
}
