using Portmap.Rpc.Peers;
using Portmap.Rpc.Serving;

namespace Portmap.Rpc.Tests.Peers;

/// <summary>Whose connection it is, where this process has no descriptor left to look at another
/// one.</summary>
[Collection(AloneCollection.Name)]
public class DescriptorlessTrustTests
{
    private const uint Allowed = 4_001;

    [Fact]
    public void OfUnix_NobodyCouldLookAtTheProcess_IsBelieved()
    {
        Trust trust = new(new PortmapServerOptions { AllowedUserIds = { Allowed } });
        trust.OfUnix(Environment.ProcessId, Allowed).HasItsNumber.Should().BeTrue("all code is loaded then");

        Peer peer = Without(() => trust.OfUnix(Environment.ProcessId, Allowed));

        peer.HasItsNumber.Should().BeTrue("it is who the kernel says, also when there are descriptors again");
    }

    /// <summary>It would be another process from the next call on.</summary>
    [Fact]
    public async Task Change_NobodyCouldLookAtTheProcessThisOnce_IsRefusedAndTheNextOneIsOfTheProcess()
    {
        await using Harness harness = new(new PortmapServerOptions { AllowedUserIds = { Allowed } });
        Peer peer = harness.Context.Trust.OfUnix(Environment.ProcessId, Allowed);
        await using ConnectionSessions sessions = new(harness.Context, peer, () => { });
        PortClaimRequest request = new("b1", 49200);
        await using (ConnectionSessions other = new(harness.Context, peer, () => { }))
        {
            // All code is loaded then.
            await FluentActions.Awaiting(() => other.ExtendAsync(request, 0, TimeSpan.FromMinutes(1)).AsTask()).Should().ThrowAsync<PortRefusedException>();
        }

        Task refused = Without(() => sessions.ExtendAsync(request, 0, TimeSpan.FromMinutes(1)).AsTask());

        (await FluentActions.Awaiting(() => refused).Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Should()
            .Match<PortRefusal>(refusal => refusal.Reason == PortRefusalReason.LimitReached && refusal.Message.Contains("Try again", StringComparison.Ordinal));
        (await sessions.RegisterAsync(request, 0).Within()).ProcessId.Should().Be(Environment.ProcessId);
    }

    private static T Without<T>(Func<T> look)
    {
        using FewDescriptors few = new(more: 2);
        few.TakeAll();
        return look();
    }
}
