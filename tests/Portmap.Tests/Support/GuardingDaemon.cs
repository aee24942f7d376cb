using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Portmap.Tests.Support;

/// <summary>A daemon in a process of its own: this assembly, run as a program, with a registry that
/// acquires all it can get of a range and says how it holds it.</summary>
internal sealed class GuardingDaemon : IDisposable
{
    private readonly Child _child;

    /// <summary>The words of a shell that run this assembly as a program.</summary>
    public static string ThisAssembly { get; } =
        $"'{Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet"))}' exec '{typeof(GuardingDaemon).Assembly.Location}'";

    private GuardingDaemon(Child child) => _child = child;

    /// <summary>Starts one that waits for <see cref="AcquireAllAsync"/>.</summary>
    /// <param name="range">The ports.</param>
    /// <param name="guard">The mode.</param>
    /// <param name="descriptors">The limit of its descriptors; 0 leaves the shell's.</param>
    /// <param name="starve">It uses up all its descriptors itself before it acquires.</param>
    /// <param name="withoutIPv6">.NET's own switch for that is on.</param>
    public static Task<GuardingDaemon> StartAsync(PortRange range, PortGuardMode guard, int descriptors = 0, bool starve = false, bool withoutIPv6 = false) =>
        StartAsync(range, guard, withoutIPv6 ? [("DOTNET_SYSTEM_NET_DISABLEIPV6", "1")] : [], descriptors, starve);

    /// <inheritdoc cref="StartAsync(PortRange, PortGuardMode, int, bool, bool)"/>
    /// <param name="range">The ports.</param>
    /// <param name="guard">The mode.</param>
    /// <param name="environment">Variables of its environment.</param>
    /// <param name="descriptors">The limit of its descriptors; 0 leaves the shell's.</param>
    /// <param name="starve">It uses up all its descriptors itself before it acquires.</param>
    public static async Task<GuardingDaemon> StartAsync(PortRange range, PortGuardMode guard, (string Name, string Value)[] environment, int descriptors = 0, bool starve = false)
    {
        string limit = descriptors == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"ulimit -n {descriptors} && ");
        ProcessStartInfo start = new("/bin/sh", ["-c", $"{limit}exec {ThisAssembly} {range} {guard} {starve}"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        GuardingDaemon daemon = new(Child.Start(start));
        (await daemon.ReadLineAsync()).Should().Be("up");
        return daemon;
    }

    /// <summary>Why it got no more.</summary>
    public string? Refused { get; private set; }

    /// <summary>Has it acquire until it is refused. It holds what it got until it is
    /// disposed.</summary>
    public async Task<Dictionary<int, PortGuarantee>> AcquireAllAsync()
    {
        await _child.Process.StandardInput.WriteLineAsync("go").Within();
        Dictionary<int, PortGuarantee> held = [];
        while (await ReadLineAsync() is { } line && (line.Contains(' ') || (Refused = line).Length == 0))
        {
            string[] words = line.Split(' ');
            words.Should().HaveCount(2, line);
            held.Add(int.Parse(words[0], CultureInfo.InvariantCulture), Enum.Parse<PortGuarantee>(words[1]));
        }

        return held;
    }

    public void Dispose() => _child.Dispose();

    private static async Task<int> Main(string[] args)
    {
        if (args is ["processes"])
        {
            return await ProcessesDaemon.RunAsync();
        }

        if (args is ["bind", string ports])
        {
            return await BindingDaemon.RunAsync(ports);
        }

        if (args is ["holders", string process, string port])
        {
            return TracedProgram.LookForHolders(process, port);
        }

        if (args is ["book", string deaths])
        {
            return TracedProgram.ReadBook(deaths);
        }

        if (args is not [string range, string guard, string starve])
        {
            return 0;   // the test host loads this assembly, it does not run it
        }

        PortGuardMode mode = Enum.Parse<PortGuardMode>(guard);   // by request: a whole registry does not pass sockets
        using PortRegistry registry = new(new PortRegistryOptions { Ports = range, Strategy = PortRegistryOptions.AllocatorPicks, LeaseTimeout = TimeSpan.FromHours(1), ReuseDelay = TimeSpan.Zero });
        if (registry.TryAcquire(new PortRequest("what the runtime loads once") { Guard = mode }, out PortLease? first, out _))
        {
            first.TryRelease(out _);
            await Console.Error.WriteLineAsync($"{first.Guarantee}");
        }

        await Console.Out.WriteLineAsync("up");
        await Console.In.ReadLineAsync();
        List<FileStream> files = bool.Parse(starve) ? OpenAll() : [];
        for (int i = 0; ; i++)
        {
            if (!registry.TryAcquire(new PortRequest($"b{i}") { Guard = mode }, out PortLease? lease, out PortRefusal? refusal))
            {
                await Console.Out.WriteLineAsync($"{refusal.Reason}");
                break;
            }

            await Console.Out.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{lease.Port} {lease.Guarantee}"));
        }

        await Console.In.ReadLineAsync();
        files.ForEach(file => file.Dispose());
        return 0;
    }

    private static List<FileStream> OpenAll()
    {
        List<FileStream> files = [];
        try
        {
            while (true)
            {
                files.Add(File.OpenRead("/dev/null"));
            }
        }
        catch (IOException)
        {
            return files;   // no descriptor is left
        }
    }

    private Task<string?> ReadLineAsync() => _child.Process.StandardOutput.ReadLineAsync().Within();
}
