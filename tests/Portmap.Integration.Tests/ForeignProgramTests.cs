using System.Diagnostics;
using System.Globalization;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>Programs that cannot sign in: the host registers for them, once their port shows as
/// listening.</summary>
public sealed class ForeignProgramTests
{
    [Fact]
    public async Task RegisterAsync_ProgramThatNeverHeardOfUs_IsBoundWhileItLives()
    {
        await using PortRegistry registry = new(Options());
        PortLease lease = await registry.AcquireAsync("old server").Within();
        lease.OpenGate();
        await using ChildProcess program = ChildProcess.Start(Samples.ManagementDaemon, "stranger", lease.Port.ToString(CultureInfo.InvariantCulture));

        await ShowsWhileItLivesAsync(registry, lease, program);
    }

    [NeedsFact("python3")]
    public async Task RegisterAsync_PythonsHttpServer_IsBoundWhileItLives()
    {
        await using PortRegistry registry = new(Options());
        PortLease lease = await registry.AcquireAsync("http.server").Within();
        lease.OpenGate();
        await using ChildProcess program = ChildProcess.Start(
            new ProcessStartInfo("python3"), "-m", "http.server", "--bind", "127.0.0.1", lease.Port.ToString(CultureInfo.InvariantCulture));

        await ShowsWhileItLivesAsync(registry, lease, program);
    }

    [NeedsFact("python3")]
    public async Task RegisterAsync_LeaseMovesBeforeTheProgramListens_IsBoundOnTheOtherPort()
    {
        await using PortRegistry registry = new(Options());
        PortLease lease = await registry.AcquireAsync("http.server").Within();
        int first = lease.Port;
        await using ChildProcess program = ChildProcess.Start(
            new ProcessStartInfo("sh") { RedirectStandardInput = true }, "-c", "read port && exec python3 -m http.server --bind 127.0.0.1 $port");
        Task<PortEntry> registering = lease.RegisterAsync(program.Process);
        await lease.ReportBindFailureAsync().Within();
        lease.OpenGate();

        await program.Process.StandardInput.WriteLineAsync(lease.Port.ToString(CultureInfo.InvariantCulture));
        await program.Process.StandardInput.FlushAsync();

        (await registering.Within()).Port.Should().Be(lease.Port).And.NotBe(first);
    }

    [Fact]
    public async Task RegisterAsync_ProgramThatEndsBeforeItListens_IsRefusedAsDead()
    {
        await using PortRegistry registry = new(Options());
        PortLease lease = await registry.AcquireAsync("broken server").Within();
        await using ChildProcess program = ChildProcess.Start(Samples.ManagementDaemon, "stranger", "not-a-number");
        await program.ExitAsync();

        Func<Task> register = () => lease.RegisterAsync(program.Process).Within();

        (await register.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.ProcessDead);
        registry.TryGetPort("broken server", out _).Should().BeFalse();
    }

    private static PortRegistryOptions Options() => new() { Ports = PortBlock.Take(8).ToString(), Strategy = PortRegistryOptions.AllocatorPicks };

    private static async Task ShowsWhileItLivesAsync(PortRegistry registry, PortLease lease, ChildProcess program)
    {
        PortEntry entry = await lease.RegisterAsync(program.Process).Within();
        (entry.Port, entry.State, entry.ProcessId).Should().Be((lease.Port, PortState.Bound, program.Id));
        registry.TryGetPort(lease.Owner, out int port).Should().BeTrue();
        port.Should().Be(lease.Port);

        long revision = registry.Snapshot().Revision;
        using CancellationTokenSource end = Deadline.Source();
        await using IAsyncEnumerator<PortChange> changes = registry.ChangesAsync(revision, end.Token).GetAsyncEnumerator(end.Token);
        program.Kill();
        do
        {
            (await changes.MoveNextAsync()).Should().BeTrue();
        }
        while (changes.Current.Kind != PortChangeKind.Died || changes.Current.Entry.Owner != lease.Owner);

        registry.TryGetPort(lease.Owner, out _).Should().BeFalse();
    }
}
