using System.Diagnostics;

namespace Portmap.Tool.Tests;

/// <summary>A real terminal of 100 columns and 24 lines with a shell in it.</summary>
internal sealed class Tmux : IAsyncDisposable
{
    private readonly string _socket;

    private Tmux(string socket) => _socket = socket;

    public static async Task<Tmux> StartAsync(string socket, string endpoint, params IEnumerable<string> environment)
    {
        Tmux terminal = new(socket);
        string[] variables = [$"PORTMAP_ENDPOINT={endpoint}", $"DOTNET_ROOT={Programs.RuntimeRoot}", .. environment];
        await terminal.RunAsync(["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "24", .. variables.SelectMany(variable => new[] { "-e", variable }), "sh"]);
        await terminal.UntilAsync(screen => screen.TrimEnd() is [.., '#' or '$']);
        return terminal;
    }

    /// <summary>Types a line.</summary>
    public async Task TypeAsync(string line)
    {
        await RunAsync("send-keys", "-l", line);
        await PressAsync("Enter");
    }

    public Task PressAsync(string key) => RunAsync("send-keys", key);

    /// <summary>What is on the screen once it is what was waited for.</summary>
    /// <param name="isThere">What is waited for.</param>
    /// <param name="withColours">With the escape sequences of colours.</param>
    public async Task<string> UntilAsync(Func<string, bool> isThere, bool withColours = false)
    {
        using CancellationTokenSource end = Deadline.Source();
        string screen = string.Empty;
        while (!end.IsCancellationRequested)
        {
            screen = string.Join('\n', await RunAsync(withColours ? ["capture-pane", "-p", "-e"] : ["capture-pane", "-p"]));
            if (isThere(screen))
            {
                return screen;
            }
        }

        throw new TimeoutException($"The screen stayed this:\n{screen}");
    }

    /// <summary>A fact about the terminal, as tmux calls it.</summary>
    public async Task<string> GetAsync(string name) => (await RunAsync("display-message", "-p", $"#{{{name}}}"))[0];

    public async ValueTask DisposeAsync() => await RunAsync("kill-server");

    private async Task<IReadOnlyList<string>> RunAsync(params IEnumerable<string> arguments)
    {
        ProcessStartInfo start = new("tmux");
        start.Environment.Remove("TMUX");
        start.Environment.Remove("NO_COLOR");
        start.Environment["LC_ALL"] = "C.UTF-8";
        await using ChildProcess tmux = ChildProcess.Start(start, ["-S", _socket, .. arguments]);
        IReadOnlyList<string> lines = await tmux.ReadToEndAsync();
        (await tmux.ExitAsync()).Should().Be(0, tmux.Errors);
        return lines;
    }
}
