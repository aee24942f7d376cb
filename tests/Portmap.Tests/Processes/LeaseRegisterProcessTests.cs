using System.Diagnostics;
using System.Globalization;
using Portmap.Tests.Support;

namespace Portmap.Tests.Processes;

/// <summary><c>lease.RegisterAsync(Process)</c>: the host registers for a program that cannot sign
/// in.</summary>
public class LeaseRegisterProcessTests
{
    private const string Listener =
        "import socket,sys,time; s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); "
        + "s.bind(('127.0.0.1',int(sys.argv[1]))); sys.stdin.readline(); s.listen(); time.sleep(600)";

    [NeedsFact("python3")]
    public async Task RegisterAsync_ProgramListens_IsBoundToItAndEndsWithIt()
    {
        using PortRegistry registry = MakeRegistry();
        PortLease lease = await registry.AcquireAsync("foreign program").Within();
        lease.OpenGate();
        using Process program = StartListener(lease.Port);

        Task<PortEntry> registration = lease.RegisterAsync(program);
        registration.IsCompleted.Should().BeFalse("it is bound, but does not listen yet");
        await program.StandardInput.WriteLineAsync().Within();
        PortEntry entry = await registration.Within();

        entry.Should().BeEquivalentTo(new { Owner = "foreign program", lease.Port, State = PortState.Bound, ProcessId = program.Id });
        (await lease.WhenBound.Within()).Port.Should().Be(lease.Port);
        registry.TryGetPort("foreign program", out int port).Should().BeTrue();
        port.Should().Be(lease.Port);

        program.Kill();
        await program.WaitForExitAsync().Within();
        await Eventually.TrueAsync(() => !registry.TryGetPort("foreign program", out _));
    }

    [NeedsFact("python3")]
    public async Task RegisterAsync_SomebodyElseListensOnThePort_DoesNotTakeItForTheProgram()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire(new PortRequest("b1") { Guard = PortGuardMode.None });
        Child idle = scene.StartChild();
        Task<PortEntry> registration = lease.RegisterAsync(idle.Process);

        using Stranger stranger = Stranger.Listening(lease.Port);
        scene.Clock.Advance(TimeSpan.FromSeconds(61));

        await ((Task)registration).RefusalAsync();
        scene.PortOf("b1").Should().Be(0);
    }

    [Fact]
    public async Task RegisterAsync_ProgramNeverListens_IsRefusedAfterTheLeaseTimeout()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire("b1");
        Task<PortEntry> registration = lease.RegisterAsync(scene.StartChild().Process);

        scene.Clock.Advance(TimeSpan.FromSeconds(61));

        (await ((Task)registration).RefusalAsync()).ShouldExplain(PortRefusalReason.NotListening, "b1", lease.Port);
        scene.StateOf(lease.Port).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task RegisterAsync_ProgramDiesFirst_IsProcessDead()
    {
        using PortRegistry registry = MakeRegistry();
        PortLease lease = await registry.AcquireAsync("b1").Within();
        using Child child = Child.Start();
        Task<PortEntry> registration = lease.RegisterAsync(child.Process);
        int pid = child.Id;

        child.Kill();

        (await ((Task)registration).RefusalAsync()).ShouldExplain(PortRefusalReason.ProcessDead, "b1", pid);
        registry.TryGetPort("b1", out _).Should().BeFalse();
    }

    /// <summary>A program that dies although its gate was opened, never was, or has been closed for
    /// good: what it is told differs, and that the lease goes on is told only while it
    /// does.</summary>
    [Theory]
    [InlineData(PortGuardMode.UntilRegistered, true, "If its log says 'address already in use', it binds without SO_REUSEADDR")]
    [InlineData(PortGuardMode.UntilRegistered, false, "The gate was not opened for this lease, so the placeholder keeps the program out as well: call PrepareStart (or OpenGate) before the start.")]
    [InlineData(PortGuardMode.StepAside, false, "The gate was not opened for this lease")]
    [InlineData(PortGuardMode.None, false, "Look at its log. The lease is still open")]
    [InlineData(PortGuardMode.PassSocket, false, "Look at its log. The lease is still open")]
    public async Task RegisterAsync_ProgramDiesFirst_SaysWhatToDoForItsGate(PortGuardMode guard, bool isOpened, string hint)
    {
        using PortRegistry registry = MakeRegistry();
        PortLease lease = await registry.AcquireAsync(new PortRequest("b1") { Guard = guard }).Within();
        if (isOpened)
        {
            lease.OpenGate();
        }

        using Child child = Child.Start();
        child.Kill();

        string message = (await lease.RegisterAsync(child.Process).RefusalAsync()).Message;

        message.Should().Contain(hint).And.EndWith("The lease is still open: start the program again with it, or release it (lease.ReleaseAsync).");
        lease.WhenBound.IsCompleted.Should().BeFalse("it says so");
        await lease.ReleaseAsync().AsTask().Within();
        (await lease.RegisterAsync(child.Process).RefusalAsync()).Message.Should().NotContain("still open");
    }

    [Fact]
    public async Task RegisterAsync_Cancelled_StopsWaitingAndLeavesTheLease()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire("b1");
        using CancellationTokenSource stop = new();
        Task<PortEntry> registration = lease.RegisterAsync(scene.StartChild().Process, stop.Token);

        await stop.CancelAsync();

        Func<Task> wait = () => registration.Within();
        await wait.Should().ThrowAsync<OperationCanceledException>();
        scene.StateOf(lease.Port).Should().Be(PortState.Reserved);
    }

    [Fact]
    public async Task RegisterAsync_Null_Throws()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");

        Func<Task> register = () => lease.RegisterAsync(null!).Within();

        await register.Should().ThrowAsync<ArgumentNullException>();
    }

    // The real clock: what is waited for here happens in another process.
    private static PortRegistry MakeRegistry() => new(new PortRegistryOptions
    {
        Ports = PortBlock.Take(3).ToString(),
        Strategy = PortRegistryOptions.AllocatorPicks,
        LivenessInterval = TimeSpan.FromMilliseconds(50),
    });

    private static Process StartListener(int port) => Process.Start(
        new ProcessStartInfo("python3", ["-c", Listener, port.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardInput = true })!;
}
