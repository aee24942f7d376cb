using System.Globalization;
using Portmap.TestKit.Crashes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>What the book of the tests of crashes allows for a registration by a lease that was
/// refused, in the place of one in force on the same port: that one is told again, under the number
/// of what was refused (Persistence/DESIGN.md).</summary>
public sealed class CrashBookTests
{
    private const int Port = 50_123;
    private readonly CrashBook _book = new();

    [Theory]
    [InlineData(PortProtocol.Tcp, "own")]
    [InlineData(PortProtocol.Udp, "own")]
    [InlineData(PortProtocol.Tcp, "beside")]
    [InlineData(PortProtocol.Udp, "beside")]
    [InlineData(PortProtocol.Tcp, "lease")]
    [InlineData(PortProtocol.Udp, "lease")]
    [InlineData(PortProtocol.Tcp, "replace")]
    [InlineData(PortProtocol.Udp, "replace")]
    public async Task Check_RefusedInPlaceOfOneOnTheSamePort_ThatOneComesBackAndIsItsProcess(PortProtocol protocol, string kind)
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Strategy = PortRegistryOptions.ProcessBinds);
        (PortEntry served, PortLease lease) = await RegisterAsync(scene, protocol, kind);
        Note(protocol, $"bound {Port} {served.Epoch} lease 0 {lease.Epoch}");
        await RefuseAsync(scene, protocol, lease.Epoch);
        _book.Check([.. scene.Registry.Snapshot().Entries], "after a failure", isRunning: true);

        await scene.KillAndOpenAsync();

        PortEntry[] found = [.. scene.Registry.Snapshot().Entries];
        _book.Check(found, "opened again");
        found.Should().ContainSingle(entry => entry.State == PortState.Reserved).Which.Epoch.Should().Be(lease.Epoch);
        PortEntry back = found.Single(entry => entry.State == PortState.Recovered);
        back.Epoch.Should().BeGreaterThan(lease.Epoch);
        back.ProcessId.Should().Be(Environment.ProcessId);

        // By what its process was told, and then the lease still has its place.
        PortEntry again = await scene.Here.RegisterAsync(Claim(protocol, served.Epoch!.Value)).AsTask().Within();
        (again.State, again.Epoch).Should().Be((PortState.Bound, back.Epoch));
        Child next = scene.StartChild();
        PortEntry last = await scene.Registry.OpenSession(next.Id).RegisterAsync(Claim(protocol, lease.Epoch)).AsTask().Within();
        last.Epoch.Should().BeGreaterThan(back.Epoch!.Value);
        scene.Registry.AssertInvariants();
    }

    [Theory]
    [InlineData(100L, 200L)]   // the store wrote neither
    [InlineData(300L, 200L)]
    [InlineData(300L, 0L)]     // the lease was given back
    [InlineData(300L, 400L)]   // and another one acquired
    public void Check_ToldAgainAndThenTheLeaseChanged_BothHold(long epoch, long lease)
    {
        Refused();
        Note(PortProtocol.Tcp, $"bound {Port} 100 lease 0 {lease}");

        _book.Check(Entries(Port, epoch, lease), "opened again");
    }

    [Theory]
    [InlineData("acquire", Port, 300L, 400L)]
    [InlineData("register", Port + 1, 400L, 0L)]
    [InlineData("replace", Port + 1, 400L, 200L)]
    [InlineData("giveback", Port, 300L, 0L)]
    [InlineData("release", 0, 0L, 200L)]
    public void Check_ToldAgainAndAChangeIsUnderWay_BothHold(string verb, int port, long epoch, long lease)
    {
        Refused();
        _book.Note($"> a Tcp {verb} {Port + 1} {verb}/Tcp");

        _book.Check(Entries(port, epoch, lease), "opened again");
    }

    [Fact]
    public void Check_ToldAgainAndAnAskForSeveralIsUnderWay_ItsNumberIsNoLease()
    {
        Refused();
        _book.Note("> a Tcp together 1 together/ProcessBinds/Tcp");
        _book.Note("> b Tcp together 1 together/ProcessBinds/Tcp");

        _book.Check(Entries(Port, 300, 200), "opened again");
    }

    [Theory]
    [InlineData(Port + 1, 300L, 200L)]
    [InlineData(Port, 150L, 200L)]
    [InlineData(Port, 99L, 200L)]
    [InlineData(Port, 300L, 0L)]
    [InlineData(0, 0L, 200L)]
    public void Check_AnythingElseThanToldAgain_IsCaught(int port, long epoch, long lease)
    {
        Refused();

        FluentActions.Invoking(() => _book.Check(Entries(port, epoch, lease), "opened again")).Should().Throw<InvalidOperationException>();
    }

    [Theory]
    [InlineData(Port + 1, 0)]    // the end of the one that was refused is written, on a port of its own
    [InlineData(Port, 20_000)]   // of a lease with a port nothing is written
    public void Check_ToldAgainWithoutAReason_IsCaught(int wanted, int leasePort)
    {
        Note(PortProtocol.Tcp, $"bound {Port} 100 lease {leasePort} 200");
        _book.Note($"> a Tcp register {wanted} replace/lease/Tcp");
        _book.Check(Entries(Port, 100, 200, leasePort, PortState.Bound), "after a failure", isRunning: true);

        FluentActions.Invoking(() => _book.Check(Entries(Port, 300, 200, leasePort), "opened again")).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public void Check_HasAnotherNumberWhileItRuns_IsCaught()
    {
        Note(PortProtocol.Tcp, $"bound {Port} 100 lease 0 200");
        _book.Note($"> a Tcp register {Port} replace/lease/Tcp");

        FluentActions.Invoking(() => _book.Check(Entries(Port, 300, 200, state: PortState.Bound), "after a failure", isRunning: true)).Should().Throw<InvalidOperationException>();
    }

    /// <summary>"a" registers on the port: on its own, beside the lease that is open, by an earlier
    /// one, or by an earlier one in the place of another registration.</summary>
    private static async Task<(PortEntry Served, PortLease Open)> RegisterAsync(StoreScene scene, PortProtocol protocol, string kind)
    {
        if (kind is "beside" or "replace")
        {
            await scene.Here.RegisterAsync(Claim(protocol) with { Port = Port + 1 }).AsTask().Within();
        }

        PortRequest request = new("a") { Protocol = protocol };
        PortLease? lease = kind == "own" ? null : await scene.AcquireAsync(request);
        PortEntry served = await scene.Here.RegisterAsync(Claim(protocol, kind is "lease" or "replace" ? lease!.Epoch : 0)).AsTask().Within();
        return (served, kind == "beside" ? lease! : await scene.AcquireAsync(request));
    }

    /// <summary>Another process registers by the lease while the store fails.</summary>
    private async Task RefuseAsync(StoreScene scene, PortProtocol protocol, long lease)
    {
        Child other = scene.StartChild();
        _book.Note($"> a {protocol} register {Port} replace/lease/{protocol}");
        scene.Store.Fail(writesAllTheSame: true);
        (await scene.Registry.OpenSession(other.Id).RegisterAsync(Claim(protocol, lease)).AsTask().RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();
        await scene.Registry.FlushAsync().Within();
    }

    /// <summary>Says that a registration was refused in the place of one with epoch 100, by a lease
    /// with epoch 200.</summary>
    private void Refused()
    {
        Note(PortProtocol.Tcp, $"bound {Port} 100 lease 0 200");
        _book.Note($"> a Tcp register {Port} replace/lease/Tcp");
        _book.Check(Entries(Port, 100, 200, state: PortState.Bound), "after a failure", isRunning: true);
    }

    private void Note(PortProtocol protocol, FormattableString holding) => _book.Note($"= a {protocol} {holding.ToString(CultureInfo.InvariantCulture)}");

    private static PortClaimRequest Claim(PortProtocol protocol, long epoch = 0) => new("a", Port) { Protocol = protocol, Epoch = epoch };

    private static PortEntry[] Entries(int port, long epoch, long lease, int leasePort = 0, PortState state = PortState.Recovered)
    {
        PortEntry bound = new() { Owner = "a", Protocol = PortProtocol.Tcp, Port = port, Epoch = epoch, State = state, ProcessId = 1 };
        PortEntry open = new() { Owner = "a", Protocol = PortProtocol.Tcp, Port = leasePort, Epoch = lease, State = PortState.Reserved };
        return [.. port == 0 ? [] : new[] { bound }, .. lease == 0 ? [] : new[] { open }];
    }
}
