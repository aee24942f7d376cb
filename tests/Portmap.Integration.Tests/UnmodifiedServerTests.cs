using System.Diagnostics;
using System.Globalization;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>Servers that never heard of a port map, started through the open gate and registered by
/// the host: nobody gets their port before, during or after.</summary>
public sealed class UnmodifiedServerTests
{
    private const string Owner = "vol0:/bricks/b1";

    [Theory]
    [InlineData(PortGuardMode.UntilRegistered)]
    [InlineData(PortGuardMode.WhileAlive)]
    public Task TcpListener_ThroughTheGate_ServesAndStrangersAreRefused(PortGuardMode mode) => ServesAsync(Stranger, "stranger", ipv4Only: true, mode);

    [NeedsFact("python3")]
    public Task Asyncio_ThroughTheGate_ServesAndStrangersAreRefused() => ServesInEveryModeAsync(() => Script("python3", "server.py"), "asyncio", ipv4Only: false);

    [NeedsFact("node")]
    public Task Node_ThroughTheGate_ServesAndStrangersAreRefused() => ServesInEveryModeAsync(() => Script("node", "server.js"), "node", ipv4Only: false);

    [NeedsFact("gcc")]
    public async Task CWithReuseAddr_ThroughTheGate_ServesAndStrangersAreRefused()
    {
        using TempFolder folder = new();
        string server = await CompileAsync(folder, "-DREUSE");

        await ServesInEveryModeAsync(() => new ProcessStartInfo(server), "C", ipv4Only: true);
    }

    [NeedsFact("gcc")]
    public async Task CWithoutReuseAddr_StepAside_ServesAndTheLeaseSaysProbedOnly()
    {
        using TempFolder folder = new();
        ProcessStartInfo start = new(await CompileAsync(folder));
        await using PortRegistry registry = new(Options());
        PortLease lease = await registry.AcquireAsync(new PortRequest(Owner) { Guard = PortGuardMode.StepAside }).Within();
        lease.Guarantee.Should().Be(PortGuarantee.Exclusive, "it steps aside right before the launch, not earlier");
        AssertRefused(lease.Port, reuse: true);

        await using ChildProcess server = Launch(start, lease);
        lease.Guarantee.Should().Be(PortGuarantee.ProbedOnly);
        PortEntry entry = await lease.RegisterAsync(server.Process).Within();

        (entry.Port, entry.ProcessId, entry.Guarantee).Should().Be((lease.Port, server.Id, PortGuarantee.HeldByProcess));
        (await Line.FromAsync(entry.Port)).Should().Be($"C pid {server.Id}");
        AssertRefused(lease.Port, reuse: true, ipv4Only: true);
    }

    [NeedsFact("gcc")]
    public async Task CWithoutReuseAddr_NotAskedToStepAside_FailsVisiblyAndTheRefusalNamesTheRemedy()
    {
        using TempFolder folder = new();
        ProcessStartInfo start = new(await CompileAsync(folder));
        await using PortRegistry registry = new(Options());
        PortLease lease = await registry.AcquireAsync(Owner).Within();
        await using ChildProcess server = Launch(start, lease);

        Func<Task> register = () => lease.RegisterAsync(server.Process).Within();

        PortRefusal refusal = (await register.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        refusal.Reason.Should().Be(PortRefusalReason.ProcessDead);
        refusal.Message.Should().Contain($"{lease.Port}").And.Contain($"{server.Id}").And.Contain(Owner).And.Contain("SO_REUSEADDR").And.Contain("Guard = StepAside");
        (await server.ExitAsync()).Should().Be(1);
        server.Errors.Should().Contain("Address already in use");
        registry.TryGetPort(Owner, out _).Should().BeFalse();
    }

    [Fact]
    public async Task TcpListener_KilledUnderWhileAlive_ComesBackOnItsPortWithNoGapForStrangers()
    {
        await using PortRegistry registry = new(Options());
        PortLease first = await registry.AcquireAsync(new PortRequest(Owner) { Guard = PortGuardMode.WhileAlive }).Within();
        await using ChildProcess before = Launch(Stranger(), first);
        (await first.RegisterAsync(before.Process).Within()).Guarantee.Should().Be(PortGuarantee.Exclusive);
        using Siege siege = new(first.Port);

        before.Kill();
        await before.ExitAsync();
        PortLease second = await registry.AcquireAsync(new PortRequest(Owner) { Guard = PortGuardMode.WhileAlive, Reuse = PortReuse.Require, Previous = first.Port }).Within();
        second.Port.Should().Be(first.Port);
        siege.Attempts.Should().BePositive();
        siege.Lift().Should().Be(0, "the placeholder outlives the process, so that its port is still its own");

        await using ChildProcess after = Launch(Stranger(), second);
        (await second.RegisterAsync(after.Process).Within()).Guarantee.Should().Be(PortGuarantee.Exclusive);
        (await Line.FromAsync(second.Port)).Should().Be($"stranger pid {after.Id}");
    }

    private static PortRegistryOptions Options() => new() { Ports = PortBlock.Take(8).ToString(), Strategy = PortRegistryOptions.AllocatorPicks };

    private static ProcessStartInfo Stranger()
    {
        ProcessStartInfo start = Samples.ManagementDaemon;
        start.ArgumentList.Add("stranger");
        return start;
    }

    private static ProcessStartInfo Script(string interpreter, string name) =>
        new(interpreter) { ArgumentList = { Path.Combine(AppContext.BaseDirectory, "Servers", name) } };

    private static async Task<string> CompileAsync(TempFolder folder, params string[] options)
    {
        await using ChildProcess gcc = ChildProcess.Start(
            new ProcessStartInfo("gcc"), [.. options, "-Wall", "-Werror", "-o", folder["server"], Path.Combine(AppContext.BaseDirectory, "Servers", "server.c")]);
        (await gcc.ExitAsync()).Should().Be(0, gcc.Errors);
        return folder["server"];
    }

    /// <summary>Opens the gate and starts a server, with the port as its last argument.</summary>
    private static ChildProcess Launch(ProcessStartInfo server, PortLease lease)
    {
        lease.PrepareStart(server);
        return ChildProcess.Start(server, lease.Port.ToString(CultureInfo.InvariantCulture));
    }

    private static async Task ServesInEveryModeAsync(Func<ProcessStartInfo> server, string name, bool ipv4Only)
    {
        await ServesAsync(server, name, ipv4Only, PortGuardMode.UntilRegistered);
        await ServesAsync(server, name, ipv4Only, PortGuardMode.WhileAlive);
    }

    private static async Task ServesAsync(Func<ProcessStartInfo> program, string name, bool ipv4Only, PortGuardMode mode)
    {
        await using PortRegistry registry = new(Options());
        PortLease lease = await registry.AcquireAsync(new PortRequest(Owner) { Guard = mode }).Within();
        lease.Guarantee.Should().Be(PortGuarantee.Exclusive);
        AssertRefused(lease.Port, reuse: true);

        await using ChildProcess server = Launch(program(), lease);
        lease.Guarantee.Should().Be(PortGuarantee.Admitting);
        AssertRefused(lease.Port, reuse: false);

        (await server.ReadLineAsync()).Should().StartWith("listening");
        AssertRefused(lease.Port, reuse: false);
        AssertRefused(lease.Port, reuse: true, ipv4Only);
        (await Line.FromAsync(lease.Port)).Should().Be($"{name} pid {server.Id}", "it serves before anybody has registered it");

        PortEntry entry = await lease.RegisterAsync(server.Process).Within();
        (entry.Port, entry.ProcessId, entry.State).Should().Be((lease.Port, server.Id, PortState.Bound));
        entry.Guarantee.Should().Be(mode == PortGuardMode.WhileAlive ? PortGuarantee.Exclusive : PortGuarantee.HeldByProcess);
        lease.Guarantee.Should().Be(entry.Guarantee);
        AssertRefused(lease.Port, reuse: true, ipv4Only && mode != PortGuardMode.WhileAlive);
        (await Line.FromAsync(lease.Port)).Should().Be($"{name} pid {server.Id}", "a gate that closes shuts nobody out who is in");
    }

    /// <summary>Asserts that a stranger gets the port on no address, without SO_REUSEADDR nor, if
    /// asked for, with it.</summary>
    /// <remarks>A server of 0.0.0.0 holds nothing of IPv6: once the gate is open for it, only the
    /// placeholder keeps those with SO_REUSEADDR from [::].</remarks>
    private static void AssertRefused(int port, bool reuse, bool ipv4Only = false)
    {
        foreach (bool option in reuse ? (bool[])[false, true] : [false])
        {
            Siege.Listens(port, option, ipv4Only).Should().BeFalse("port {0} is kept from strangers, SO_REUSEADDR {1}", port, option);
        }
    }
}
