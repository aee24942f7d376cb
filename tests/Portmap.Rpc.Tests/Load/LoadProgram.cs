using System.Globalization;
using System.Runtime.InteropServices;

namespace Portmap.Rpc.Tests.Load;

/// <summary>This assembly as a program: the server and the crowd of the load tests, each a process
/// of its own.</summary>
internal static class LoadProgram
{
    public const string Serve = "serve";
    public const string Crowd = "crowd";
    public const string Vanish = "vanish";
    public const string Speak = "speak";

    public static async Task<int> Main(string[] args)
    {
        switch (args)
        {
            case [Serve, string folder]:
                await LoadServer.RunAsync(folder);
                return 0;
            case [Crowd, string folder, string count]:
                OwnNetwork.RaiseLoopback();
                return await ReportAsync(folder, server => CrowdRun.RunAsync(server, Number(count)));
            case [Vanish, string folder, string count, string kind]:
                OwnNetwork.RaiseLoopback();
                return await ReportAsync(folder, server => VanishRun.RunAsync(server, Number(count), Enum.Parse<VanishKind>(kind)));
            case [Speak]:
                OwnNetwork.RaiseLoopback();
                await SpeakRun.RunAsync();
                return 0;
            default:
                await Console.Error.WriteLineAsync("serve FOLDER | crowd FOLDER COUNT | vanish FOLDER COUNT KIND | speak");
                return 2;
        }
    }

    /// <summary>The command that runs this assembly as a program.</summary>
    public static IReadOnlyList<string> Command { get; } =
        [Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet")), "exec", typeof(LoadProgram).Assembly.Location];

    private static async Task<int> ReportAsync(string folder, Func<LoadTarget, Task<LoadReport>> run)
    {
        await using LoadTarget server = await LoadTarget.StartAsync(folder);
        await Console.Out.WriteLineAsync((await run(server)).ToString());
        return 0;
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
