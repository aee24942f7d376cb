using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using ManagementDaemon.Demo;
using ManagementDaemon.PortServer;
using Portmap;
using Portmap.Rpc;

namespace ManagementDaemon;

/// <summary>The verbs and their options. Values are checked while they are parsed, so that a bad
/// one is one line and no half-started daemon.</summary>
internal static class CommandLine
{
    public const string Name = "ManagementDaemon";

    private const int MostBricks = 1_000;

    public static RootCommand Build()
    {
        RootCommand root = new("Runs six bricks and two snapd under a management daemon and shows what its port map does.") { Serve(), Stranger() };
        root.SetAction((_, cancellationToken) => DemoCommand.RunAsync(cancellationToken));
        return root;
    }

    private static Command Serve()
    {
        Option<PortmapEndpoint> unix = new("--unix") { HelpName = "PATH", Description = "Accept connections on this Unix domain socket.", CustomParser = UnixEndpoint };
        Option<PortmapEndpoint> tcp = new("--tcp") { HelpName = "ADDRESS:PORT", Description = "Accept connections on this address; port 0 takes a free one.", CustomParser = LoopbackEndpoint };
        Option<string> range = new("--range") { HelpName = "FIRST-LAST,...", Description = "The ports to hand out (default 49152-65535); a request may ask for some of several ranges." };
        range.Validators.Add(CheckRanges);
        Option<string> strategy = new("--strategy") { HelpName = "NAME", Description = "ProcessBinds (the default) or AllocatorPicks." };
        strategy.Validators.Add(CheckStrategy);
        Option<DirectoryInfo> volfiles = new("--volfiles") { HelpName = "DIR", Description = "Answer Gluster's GETSPEC for key K with DIR/K.vol." };
        volfiles.Validators.Add(CheckDirectory);
        Option<string> state = new("--state") { HelpName = "PATH", Description = "Keep the map in this folder, so that it outlives the daemon; made when it is not there." };
        state.Validators.Add(CheckState);
        Option<PortDurability?> durability = new("--durability")
        {
            HelpName = "NAME",
            Description = "With --state: Confirmed (the default: a change counts when it is on disk) or Background.",
            CustomParser = Durability,
        };
        Option<string> portServer = new("--portserver") { HelpName = "ADDRESS", Description = "Answer portpicker's clients at this Unix socket: a path, or @NAME for one without a file." };
        portServer.Validators.Add(CheckPortServer);
        Option<IPEndPoint?> metrics = new("--metrics") { HelpName = "ADDRESS:PORT", Description = "Show the meters to Prometheus at http://ADDRESS:PORT/metrics.", CustomParser = Address };
        Option<int> bricks = new("--bricks") { HelpName = "N", Description = "Keep N bricks of vol1 running: start them again when they die, and leave alone those that live already." };
        bricks.Validators.Add(CheckBricks);
        Command serve = new(ServeCommand.Verb, "Runs the daemon for others until SIGTERM or SIGINT.")
        {
            unix, tcp, range, strategy, volfiles, state, durability, portServer, bricks, metrics,
        };
        serve.Validators.Add(result =>
        {
            if (result.GetResult(durability) is not null && result.GetResult(state) is null)
            {
                result.AddError("--durability means nothing without --state; name the folder of the state as well.");
            }
        });
        serve.SetAction((result, cancellationToken) => ServeCommand.RunAsync(
            new DaemonSettings
            {
                Endpoints = [.. new[] { result.GetValue(unix), result.GetValue(tcp) }.OfType<PortmapEndpoint>()],
                Ports = result.GetValue(range),
                Strategy = result.GetValue(strategy),
                Volfiles = result.GetValue(volfiles),
                StateFolder = result.GetValue(state) is { } folder ? Path.GetFullPath(folder) : null,
                Durability = result.GetValue(durability),
                Bricks = result.GetValue(bricks),
                PortServer = result.GetValue(portServer) is { } address ? new PortServerAddress(address.StartsWith('@') ? address : Path.GetFullPath(address)) : null,
                Metrics = result.GetValue(metrics),
            },
            cancellationToken));
        return serve;
    }

    private static Command Stranger()
    {
        Argument<int> port = new("port");
        Command stranger = new("stranger", "A program that knows nothing of the port map: takes a port until its standard input ends.") { port };
        stranger.Hidden = true;
        stranger.SetAction((result, cancellationToken) => StrangerCommand.RunAsync(result.GetValue(port), cancellationToken));
        return stranger;
    }

    // A path on a command line means the folder it was typed in; whoever gets to see it later may
    // be somewhere else.
    private static PortmapEndpoint? UnixEndpoint(ArgumentResult result)
    {
        string path = result.Tokens[0].Value;
        return Endpoint("unix:" + (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal) ? path : Path.GetFullPath(path)), result);
    }

    private static PortmapEndpoint? LoopbackEndpoint(ArgumentResult result)
    {
        PortmapEndpoint? endpoint = Endpoint("tcp:" + result.Tokens[0].Value, result);
        if (endpoint is not null && !IPAddress.IsLoopback(IPEndPoint.Parse(result.Tokens[0].Value).Address))
        {
            result.AddError($"'{result.Tokens[0].Value}' can be reached from other hosts and the wire knows no authentication; choose a loopback address, for example 127.0.0.1:24007.");
        }

        return endpoint;
    }

    private static IPEndPoint? Address(ArgumentResult result)
    {
        string value = result.Tokens[0].Value;
        if (IPEndPoint.TryParse(value, out IPEndPoint? address) && address.Port != 0)
        {
            return address;
        }

        result.AddError($"'{value}' is not an address with a port; write it like 127.0.0.1:9464.");
        return null;
    }

    private static PortmapEndpoint? Endpoint(string text, ArgumentResult result)
    {
        if (!PortmapEndpoint.TryParse(text, out PortmapEndpoint? endpoint, out string? complaint))
        {
            result.AddError(complaint);
        }

        return endpoint;
    }

    private static void CheckRanges(OptionResult result)
    {
        try
        {
            PortRange.ParseList(result.Tokens[0].Value);
        }
        catch (FormatException e)
        {
            result.AddError(e.Message);
        }
    }

    private static void CheckStrategy(OptionResult result)
    {
        string value = result.GetValueOrDefault<string>();
        if (value is not ("ProcessBinds" or "AllocatorPicks"))
        {
            result.AddError($"'{value}' is not a strategy; choose ProcessBinds or AllocatorPicks.");
        }
    }

    private static PortDurability? Durability(ArgumentResult result)
    {
        string value = result.Tokens[0].Value;
        if (Enum.TryParse(value, out PortDurability durability) && Enum.IsDefined(durability) && !char.IsAsciiDigit(value[0]))
        {
            return durability;
        }

        result.AddError($"'{value}' is not a durability; choose {nameof(PortDurability.Confirmed)} or {nameof(PortDurability.Background)}.");
        return null;
    }

    private static void CheckState(OptionResult result)
    {
        string value = result.GetValueOrDefault<string>();
        if (string.IsNullOrWhiteSpace(value) || File.Exists(value))
        {
            result.AddError($"'{value}' cannot be the folder of the state; name a folder, or a path at which one can be made.");
        }
    }

    private static void CheckBricks(OptionResult result)
    {
        int value = result.GetValueOrDefault<int>();
        if (value is < 0 or > MostBricks)
        {
            result.AddError($"{value} is no number of bricks; choose 0 to {MostBricks}.");
        }
    }

    private static void CheckPortServer(OptionResult result)
    {
        if (PortServerAddress.Complaint(result.GetValueOrDefault<string>()) is { } complaint)
        {
            result.AddError(complaint);
        }
    }

    private static void CheckDirectory(OptionResult result)
    {
        DirectoryInfo value = result.GetValueOrDefault<DirectoryInfo>();
        if (!value.Exists)
        {
            result.AddError($"The folder of volfiles '{value}' does not exist; create it or name another.");
        }
    }
}
