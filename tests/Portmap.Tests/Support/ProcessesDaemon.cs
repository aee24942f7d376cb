using System.Diagnostics;
using System.Globalization;
using Portmap.Processes;

namespace Portmap.Tests.Support;

/// <summary>A daemon in a process of its own, for what it sees of processes where /proc or the pid
/// namespace is another one than the test's: it does what it is told, one line each, and answers
/// with one line.</summary>
internal sealed class ProcessesDaemon : IDisposable
{
    private readonly Child _child;

    private ProcessesDaemon(Child child) => _child = child;

    /// <summary>Starts it by a command of a shell in which @ stands for the program.</summary>
    public static async Task<ProcessesDaemon> StartAsync(string command)
    {
        ProcessStartInfo start = new("/bin/sh", ["-c", command.Replace("@", $"{GuardingDaemon.ThisAssembly} processes", StringComparison.Ordinal)])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment["DOTNET_EnableDiagnostics"] = "0";   // another user may not write where the test's runtime does
        ProcessesDaemon daemon = new(Child.Start(start));
        (await daemon._child.Process.StandardOutput.ReadLineAsync().Within()).Should().Be("up");
        return daemon;
    }

    /// <summary>Tells it a line and returns its answer.</summary>
    public async Task<string> AskAsync(string line)
    {
        await _child.Process.StandardInput.WriteLineAsync(line).Within();
        return await _child.Process.StandardOutput.ReadLineAsync().Within(TimeSpan.FromMinutes(2)) ?? "it has ended";
    }

    public void Dispose()
    {
        _child.Process.StandardInput.Close();   // it ends by itself: killing the shell would leave it
        if (!_child.Process.WaitForExit(Deadline.Default))
        {
            _child.Process.Kill(entireProcessTree: true);
        }

        _child.Dispose();
    }

    public static async Task<int> RunAsync()
    {
        FakeTimeProvider clock = new();
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = Scene.TenPorts, Probe = false }, timeProvider: clock);
        await using PortRegistry verifying = new(new PortRegistryOptions { Ports = Scene.TenPorts, VerifyProcess = true, LeaseTimeout = TimeSpan.FromSeconds(5) });
        Dictionary<string, PortSession> sessions = [];
        await Console.Out.WriteLineAsync("up");
        while (await Console.In.ReadLineAsync() is { } line)
        {
            string[] words = line.Split(' ');
            string answer = words switch
            {
                ["start"] => Process.Start("/bin/sleep", "600").Id.ToString(CultureInfo.InvariantCulture),
                ["register", var owner, var pid, var port] => Register(owner, int.Parse(pid, CultureInfo.InvariantCulture), int.Parse(port, CultureInfo.InvariantCulture)),
                ["verify", var owner, var pid, var port] => await OutcomeAsync(
                    () => verifying.OpenSession(int.Parse(pid, CultureInfo.InvariantCulture)).RegisterAsync(new PortClaimRequest(owner, int.Parse(port, CultureInfo.InvariantCulture))).AsTask()),
                ["program", var owner] => await OutcomeAsync(async () =>
                {
                    PortLease lease = await verifying.AcquireAsync(owner);
                    using Process process = Process.Start("/bin/sleep", "600");
                    return await lease.RegisterAsync(process);
                }),
                ["user", var pid] => User(registry.OpenSession(int.Parse(pid, CultureInfo.InvariantCulture))),
                ["leave", var owner] => Leave(owner),
                ["reserved"] => KernelPorts.Read().Reserved.Split(',').Length.ToString(CultureInfo.InvariantCulture),
                ["pass"] => Pass(),
                ["port", var owner] => registry.TryGetPort(owner, out int port) ? port.ToString(CultureInfo.InvariantCulture) : "none",
                ["kill", var pid] => Kill(int.Parse(pid, CultureInfo.InvariantCulture)),
                ["reuse", var owner, var port, var program] => await ReuseAsync(program, owner, int.Parse(port, CultureInfo.InvariantCulture)),
                _ => "what?",
            };
            await Console.Out.WriteLineAsync(answer);
        }

        return 0;

        static async Task<string> OutcomeAsync(Func<Task<PortEntry>> register)
        {
            try
            {
                return $"{(await register()).State}";
            }
            catch (PortRefusedException refused)
            {
                return $"{refused.Refusal.Reason}: {refused.Refusal.Message}";
            }
        }

        string Register(string owner, int pid, int port)
        {
            PortSession session = sessions[owner] = registry.OpenSession(pid);
            return session.TryRegister(new PortClaimRequest(owner, port), out _, out PortRefusal? refusal) ? "Bound" : $"{refusal.Reason}";
        }

        static string User(PortSession session) =>
            string.Create(CultureInfo.InvariantCulture, $"{session.Holder.UserId?.ToString(CultureInfo.InvariantCulture) ?? "unknown"} {session.Holder.IsTrusted} {ProcessUser.Own}");

        string Leave(string owner)
        {
            sessions[owner].DisposeAsync().AsTask().GetAwaiter().GetResult();
            return "left";
        }

        string Pass()
        {
            clock.Advance(TimeSpan.FromSeconds(1.5));
            return "passed";
        }

        static string Kill(int pid)
        {
            using Process process = Process.GetProcessById(pid);
            process.Kill();
            process.WaitForExit();
            return "killed";
        }

        // Registers a process, has its number given to another one that began in the same clock
        // tick, and says which number that is.
        async Task<string> ReuseAsync(string program, string owner, int port)
        {
            using Process forks = Process.Start(new ProcessStartInfo(program) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
            for (int i = 0; i < 500; i++)
            {
                string first = (await forks.StandardOutput.ReadLineAsync().Within())!;
                string outcome = Register(owner, int.Parse(first, CultureInfo.InvariantCulture), port);
                await forks.StandardInput.WriteLineAsync().Within();
                string[] second = (await forks.StandardOutput.ReadLineAsync().Within())!.Split(' ');
                if (outcome == "Bound" && second is [_, "1"])
                {
                    return second[0];   // it lives as long as the daemon does
                }

                Pass();
                registry.OpenSession(Environment.ProcessId).TryRelease(owner, out _);
                await forks.StandardInput.WriteLineAsync().Within();
            }

            return "never in one tick";
        }
    }
}
