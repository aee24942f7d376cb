using System.Net;

namespace Portmap.Integration.Tests.Gluster;

/// <summary>The volfiles that glusterd would make.</summary>
internal static class Volfile
{
    /// <summary>The server translator, whose listen-port is given on the command line.</summary>
    public const string Server = "vol1-server";

    /// <summary>Bricks of one process that keep nothing: they need no privilege.</summary>
    public static string Bricks(IPAddress address, params IReadOnlyList<string> names) =>
        string.Concat(names.Select(name => $"""
            volume {name}-sink
                type debug/sink
                option an-option-is-required-by-the-parser yes
            end-volume

            {Statistics(name, $"{name}-sink")}
            """)) + ServerOf(address, names);

    /// <summary>A brick that keeps its files in a folder: it needs the right to set trusted
    /// attributes.</summary>
    public static string FolderBrick(IPAddress address, string name, string folder, Guid volume) => $"""
        volume vol1-posix
            type storage/posix
            option directory {folder}
            option volume-id {volume}
        end-volume

        {Statistics(name, "vol1-posix")}
        {ServerOf(address, [name])}
        """;

    /// <summary>A client of one brick; it asks the daemon at the address for the brick's
    /// port.</summary>
    public static string Client(IPAddress address, string name) => $"""
        volume vol1-client-0
            type protocol/client
            option transport-type tcp
            option transport.address-family inet
            option remote-host {address}
            option remote-subvolume {name}
        end-volume

        """;

    private static string Statistics(string name, string below) => $"""
        volume {name}
            type debug/io-stats
            subvolumes {below}
        end-volume

        """;

    private static string ServerOf(IPAddress address, IReadOnlyList<string> names) => $"""
        volume {Server}
            type protocol/server
            option transport-type tcp
            option transport.address-family inet
            option transport.socket.bind-address {address}
        {string.Join('\n', names.Select(name => $"    option auth.addr.{name}.allow *"))}
            subvolumes {string.Join(' ', names)}
        end-volume

        """;
}
